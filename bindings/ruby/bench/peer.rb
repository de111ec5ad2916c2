# frozen_string_literal: true

require "json"
require "logger"
require "prometheus/client"
require "tempfile"
require "time"

# What GitLab's LabKit does at each checkpoint: a JSON line to a log file, and
# two counters, of the client that GitLab runs (prometheus-client-mmap).
class Peer
  NAME = "JSON log line + 2 counters"
  LABELS = { user_experience_id: "create_order", feature_category: "checkout", urgency: "custom" }.freeze

  def initialize
    @logger = Logger.new(Tempfile.new("peer"))
    @logger.formatter = method(:line)
    registry = Prometheus::Client.registry
    @checkpoints = registry.counter(:gitlab_user_experience_checkpoint_total, "Checkpoints")
    @total = registry.counter(:gitlab_user_experience_total, "Experiences")
    @start = Time.now.utc
  end

  def call(**extra)
    @checkpoints.increment({ checkpoint: "intermediate", **LABELS })
    @total.increment({ error: false, **LABELS })
    @logger.info(event(extra))
  end

  private

  def event(extra)
    now = Time.now.utc
    {
      checkpoint: "intermediate", **LABELS, start_time: @start.iso8601(3), checkpoint_time: now.iso8601(3),
      elapsed_time_s: now - @start, urgency_threshold_s: 10, **extra
    }
  end

  def line(severity, time, _program, message)
    "#{JSON.generate(severity:, time: time.utc.iso8601(3), correlation_id: "01KE6Y6MG0AAAAAAAAAAAAAAAA", **message)}\n"
  end
end
