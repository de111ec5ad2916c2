# frozen_string_literal: true

require_relative "integration_helper"
require_relative "support/browser"

RSpec.describe "A Rails application", :stage do
  let(:environment) { super().merge("APP_ROOT" => directory) }
  let(:address) { @address }

  def get(path, **headers)
    Browser.get(address, path, **headers)
  end

  # Puma with two workers, as Rails applications run; stopped before the verdict.
  def serving
    puma = servers.start(environment, "puma", "--workers", "2", "--threads", "1:1", "--preload",
                         "--bind", "tcp://127.0.0.1:0", "#{Stage::APPS}/rails.ru")
    @address = servers.await(puma, %r{Listening on (http://127\.0\.0\.1:\d+)})[1]
    servers.await(puma, /Worker 1 \(PID: \d+\) booted/)
    yield
    servers.stop(puma)
  end

  it "records what its requests and jobs do, with nothing but config.labkit" do
    serving do
      codes = %w[enqueue inline fail].to_h { |path| [path, Array.new(6) { get("/#{path}").code }.uniq] }
      expect(codes).to eq("enqueue" => ["200"], "inline" => ["200"], "fail" => ["500"])
      Wait.until("the end of all jobs") { tracker.open.zero? }
    end

    expect(verdict.mistakes).to eq([])
    expect(verdict.outcomes).to eq(success: 18, error: 6)
    expect(verdict.stories.values).to include(
      %w[start active_job_scheduled active_job_started resume active_job_scheduled active_job_started resume success],
      %w[start active_job_scheduled active_job_started in_the_inline_job in_the_executor success]
    )
  end

  it "names the request in the log of each checkpoint" do
    serving { get("/inline", "X-Request-Id" => "req-7") }

    expect(verdict.mistakes).to eq([])
    of_the_request = tracker.events.select { |event| event["user_experience_id"] == "load_comments" }
    # What the inline job adds, it adds in the name of the job.
    own, jobs = of_the_request.partition { |event| event["request_correlation_id"] == "req-7" }
    own, jobs = [own, jobs].map { |events| events.map { |event| event["checkpoint_category"] } }
    expect(own).to eq([nil, "active_job_scheduled", "in_the_executor", nil])
    expect(jobs).to eq(%w[active_job_started in_the_inline_job])
  end

  it "tells trusted peers what is active, and goes on with what they tell" do
    serving do
      expect(get("/leave").to_hash).not_to include("x-labkit-user-experiences")
      told = Array.new(4) { get("/leave", "X-Peer" => "a friend")["x-labkit-user-experiences"] }
      told.each { |header| get("/go_on", "X-Peer" => "a friend", "X-Labkit-User-Experiences" => header) }
      get("/go_on", "X-Labkit-User-Experiences" => told.first) # from a stranger: of no effect
      Wait.until("four ends") { tracker.outcomes(:success) == 4 }
    end

    expect(tracker.open).to eq(1) # the first, of which nobody was told
    expect(verdict.mistakes.size).to eq(2) # it has not ended, as it must be
    expect(tracker.anomalies).to eq(0)
  end
end
