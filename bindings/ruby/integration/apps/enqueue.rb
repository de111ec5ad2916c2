# frozen_string_literal: true

# A web process: starts experiences and enqueues the jobs that end them.
# MARKS is a directory.
require_relative "jobs"

def request(id)
  SLI.isolate do
    SLI.start(id)
    yield
  end
end

20.times do |n|
  request(:create_merge_request) { NewMergeRequestWorker.perform_async(n < 5 ? "error" : "success") }
end
5.times { |n| request(:ui_button_rebase) { RebaseWorker.perform_async(File.join(ENV.fetch("MARKS"), n.to_s)) } }
request(:break_down_epic_to_issues) { BreakDownWorker.perform_async(6) }
4.times { request(:immediate_web_merge) { MergeWorker.perform_async(0) } }
