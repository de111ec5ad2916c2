# frozen_string_literal: true

require_relative "integration_helper"

RSpec.describe "Sidekiq and Redis", :stage do
  let(:environment) do
    super().merge("REDIS_URL" => "unix://#{directory}/redis.sock", "MARKS" => "#{directory}/marks")
  end

  before do
    Dir.mkdir("#{directory}/marks")
    redis = servers.start({}, "redis-server", "--port", "0", "--unixsocket", "#{directory}/redis.sock", "--save", "")
    servers.await(redis, /The server is now ready/)
  end

  def app(name)
    "#{Stage::APPS}/#{name}.rb"
  end

  it "carry experiences through retries, fan-out and an inline job, and end each once" do
    servers.run(environment, "ruby", app("enqueue"))
    sidekiq = servers.start(environment, "sidekiq", "--require", app("jobs"), "--concurrency", "4", "--timeout", "5")
    servers.run(environment, "ruby", app("retry"), "5")
    # The last of what comes: five anomalies of children whose end was not the first.
    Wait.until("the end of all jobs") { tracker.open.zero? && tracker.anomalies == 5 }
    servers.stop(sidekiq)

    expect(verdict.mistakes).to eq([])
    expect(verdict.outcomes).to eq(success: 15 + 5 + 1 + 4 + 4, error: 5)
    expect(verdict.ledgers.size).to eq(2) # who enqueues and who performs
    expect_the_words_of_gitlab
  end

  def expect_the_words_of_gitlab
    scheduled = %w[start sidekiq_job_scheduled sidekiq_job_started resume]
    expect(verdict.stories.values).to include(
      [*scheduled, "success"], [*scheduled, "failure"],
      [*scheduled, "sidekiq_job_started", "resume", "success"],
      [*scheduled, "sidekiq_job_scheduled", "sidekiq_job_started", "resume", "in_the_inline_job", "success"]
    )
    workers = tracker.events.filter_map { |event| event["worker"] }.uniq
    expect(workers).to contain_exactly("NewMergeRequestWorker", "RebaseWorker", "BreakDownWorker", "MergeWorker")
  end
end
