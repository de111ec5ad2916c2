# frozen_string_literal: true

require "json"
require "net/http"
require_relative "wait"

# A real tracker with the memory store.
class TrackerProcess
  BINARY = ENV.fetch("LABKIT_TRACKER") { File.expand_path("../../../../target/release/labkit-tracker", __dir__) }

  # @yieldparam tracker [TrackerProcess]
  def self.run(directory, definitions)
    raise "#{BINARY} is missing: run `make tracker`" unless File.executable?(BINARY)

    tracker = new(directory, definitions)
    yield tracker
  ensure
    tracker&.stop
  end

  def initialize(directory, definitions)
    @log = File.join(directory, "events.jsonl")
    port = File.join(directory, "tracker.port")
    @pid = Process.spawn(
      BINARY, "serve", "--listen", "127.0.0.1:0", "--port-file", port,
      "--insecure-no-auth", "--store", "memory", "--definitions", definitions,
      out: @log, err: File.join(directory, "tracker.err")
    )
    @address = Wait.until("a tracker") { File.exist?(port) && File.read(port)[/\S+:\d+/] }
  end

  def endpoint
    "http://#{@address}"
  end

  # The event log so far.
  # @return [Array<Hash>]
  def events
    File.readlines(@log).grep(/\n\z/).map { |line| JSON.parse(line) }
  end

  # Value of a series of /metrics or /metrics/sli, or the sum of several.
  # @param labels [Hash] those that must be equal
  def metric(path, name, **labels)
    lines = Net::HTTP.get(URI("#{endpoint}#{path}")).lines.grep(/\A#{name}[{ ]/)
    labels.each { |label, value| lines = lines.grep(/[{,]#{label}="#{value}"/) }
    lines.sum { |line| line.split.last.to_f }.to_i
  end

  # Checkpoints that it took, new or known.
  def taken
    metric("/metrics", "labkit_tracker_checkpoints_total")
  end

  def rejected
    metric("/metrics", "labkit_tracker_checkpoints_rejected_total")
  end

  # Experiences of this outcome.
  def outcomes(outcome)
    metric("/metrics/sli", "labkit_user_experience_outcome_total", outcome:)
  end

  # Experiences that have not ended.
  def open
    metric("/metrics/sli", "labkit_user_experience_open")
  end

  def anomalies
    metric("/metrics/sli", "labkit_user_experience_anomaly_total")
  end

  def stop
    return unless @pid

    Process.kill(:TERM, @pid)
    Process.wait(@pid)
    @pid = nil
  end
end
