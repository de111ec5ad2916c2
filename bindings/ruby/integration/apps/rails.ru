# frozen_string_literal: true

# A small Rails application; config.labkit is all that it says of labkit.
require "rails"
require "action_controller/railtie"
require "active_job/railtie"
require "labkit/core"

SLI = Labkit::UserExperienceSli

class ShopApplication < Rails::Application
  config.root = ENV.fetch("APP_ROOT")
  config.eager_load = true
  config.logger = Logger.new($stdout)
  config.active_job.queue_adapter = :async
  config.hosts.clear
  config.labkit.endpoint = ENV.fetch("LABKIT_ENDPOINT")
  config.labkit.trusted = ->(env) { env["HTTP_X_PEER"] == "a friend" }
  config.labkit.options = { batch_age_ms: 20 }
end

class Current < ActiveSupport::CurrentAttributes
  attribute :user
end

# As GitLab's worker of this name does it; succeeds at the second attempt.
class NewMergeRequestJob < ActiveJob::Base
  retry_on(RuntimeError, wait: 0, attempts: 3)

  def perform
    xp = SLI.resume(:create_merge_request, executions:)
    raise "not yet" if executions == 1

    xp.complete
  end
end

# Runs at once, where it is enqueued.
class InlineJob < ActiveJob::Base
  self.queue_adapter = :inline

  def perform
    SLI.get(:load_comments).checkpoint(:in_the_inline_job)
    SLI.start(:lint_ci_config) { ActiveSupport::CurrentAttributes.reset_all }
  end
end

class ShopController < ActionController::Base
  def enqueue
    SLI.start(:create_merge_request)
    NewMergeRequestJob.perform_later
    answer
  end

  def inline
    SLI.start(:load_comments) do
      Current.user = "somebody"
      InlineJob.perform_later
      ActiveSupport::CurrentAttributes.reset_all
      raise "the experience is gone" unless SLI.get(:load_comments).active?

      Rails.application.executor.wrap { SLI.get(:load_comments).checkpoint(:in_the_executor) }
    end
    answer
  end

  # Another service goes on with it.
  def leave
    raise "left over from another request" if SLI.get(:approve_merge_request).active?

    SLI.start(:approve_merge_request)
    answer
  end

  def go_on
    SLI.get(:approve_merge_request).complete
    answer
  end

  def fail
    SLI.start(:render_vulnerabilities) { raise "no scanner" }
  end

  private

  def answer
    render plain: Process.pid.to_s
  end
end

ShopApplication.initialize!
ShopApplication.routes.draw do
  %w[enqueue inline leave go_on fail].each { |action| get action, to: "shop##{action}" }
end

run ShopApplication
