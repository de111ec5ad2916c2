# frozen_string_literal: true

# The shop's front: a Rack application under Puma. A merge request starts here,
# is checked by the Go service (carrier in a header), and is finished by the
# Python worker (carrier in the job's payload).

require "json"
require "net/http"
require "labkit/core"

Labkit::UserExperienceSli.configure do |config|
  config.endpoint = ENV.fetch("TRACKER")
  config.registry_path = ENV.fetch("DEFINITIONS")
  config.type = "web"
  config.options = { batch_age_ms: 50 }
end

# One request of the shop, whose query says how it should go.
class MergeRequests
  SLI = Labkit::UserExperienceSli

  def call(env)
    wish = env["QUERY_STRING"].delete_prefix("wish=")
    SLI.start(wish == "lost" ? :demo_lost_end : :create_merge_request, project_id: 7, wish: wish)
    [202, { "content-type" => "text/plain" }, ["#{proceed(wish)}\n"]]
  end

  private

  def proceed(wish)
    case wish
    when "lost" then "started, and forgotten"
    when "discarded"
      SLI.get(:create_merge_request).discard!("dry_run")
      "it was only a dry run"
    else
      check(wish) ? enqueue(wish) : "the branches conflict"
    end
  end

  def check(wish)
    uri = URI("#{ENV.fetch('SERVICE')}/check?wish=#{wish}")
    request = Net::HTTP::Post.new(uri, "X-Labkit-User-Experiences" => SLI.carrier_header)
    Net::HTTP.start(uri.host, uri.port) { |http| http.request(request) }.is_a?(Net::HTTPSuccess)
  end

  # The queue is a pipe: one job a line, as a job server would store it.
  def enqueue(wish)
    job = { "class" => "CreateMergeRequest", "args" => [wish] }
    job["labkit_user_experiences"] = SLI.hand_over(:job_scheduled)
    File.open(ENV.fetch("JOBS"), "a") { |pipe| pipe.puts(JSON.generate(job)) }
    "enqueued"
  end
end

use Labkit::Core::Middleware::Rack
run MergeRequests.new
