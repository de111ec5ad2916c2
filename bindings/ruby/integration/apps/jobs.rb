# frozen_string_literal: true

# Jobs in GitLab's shapes; enqueued by enqueue.rb, run by Sidekiq.
require "sidekiq"
require "active_support/core_ext/string/inflections" # Sidekiq's perform_inline calls it
require "labkit/core"

SLI = Labkit::UserExperienceSli
SLI.configure do |c|
  c.type = Sidekiq.server? ? "sidekiq" : "web"
  c.options = { batch_age_ms: 20 }
end
Labkit::Core::Middleware::Sidekiq.install

class NewMergeRequestWorker
  include Sidekiq::Worker

  def perform(wish)
    context = { wish: }
    xp = SLI.resume(:create_merge_request, **context)
    xp.error!("merge request not ready") if wish == "error"
    return xp.complete(**context) if xp.has_error?

    xp.complete(**context)
  end
end

# Fails once, and completes when it is tried again.
class RebaseWorker
  include Sidekiq::Worker

  def perform(mark)
    xp = SLI.resume(:ui_button_rebase)
    unless File.exist?(mark)
      File.write(mark, "")
      raise "the repository is locked"
    end
    xp.complete
  end
end

# Each of many children ends the one experience that they share.
class BreakDownWorker
  include Sidekiq::Worker

  def perform(children)
    return SLI.resume(:break_down_epic_to_issues).complete if children.zero?

    children.times { self.class.perform_async(0) }
  end
end

# A job within a job, on the same thread.
class MergeWorker
  include Sidekiq::Worker

  def perform(depth)
    xp = SLI.resume(:immediate_web_merge)
    return SLI.start(:lint_ci_config) { xp.checkpoint(:in_the_inline_job) } if depth.positive?

    self.class.perform_inline(1)
    raise "the inline job took it away" unless SLI.get(:immediate_web_merge).equal?(xp)

    xp.complete
  end
end
