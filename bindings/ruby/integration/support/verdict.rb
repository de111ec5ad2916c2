# frozen_string_literal: true

require "json"

# What became of everything, when all processes but the tracker are gone: each
# experience has ended once, and the ledgers of the processes add up to what
# the tracker has.
class Verdict
  OUTCOMES = %i[success handled error discarded timeout].freeze
  ENDS = %w[success failure discarded].freeze
  LOST = %w[queued dropped rejected trimmed].freeze

  # @return [Array<Hash>]
  attr_reader :ledgers

  def initialize(tracker, ledgers)
    @tracker = tracker
    @ledgers = ledgers.map { |path| JSON.parse(File.read(path)) }
  end

  # @return [Hash{Symbol => Integer}] outcomes that occurred
  def outcomes
    OUTCOMES.to_h { |outcome| [outcome, @tracker.outcomes(outcome)] }.reject { |_, count| count.zero? }
  end

  # @return [Array<String>] what does not add up; empty if all does
  def mistakes
    [*twice, *accounts]
  end

  # Of those, what needs no look at the event log.
  def accounts
    [*unbalanced, *open, *untold]
  end

  # The categories of one experience's checkpoints, in the order of their
  # arrival, from start to end.
  # @return [Hash{String => Array<String>}] by correlation id
  def stories
    by_experience.transform_values { |events| events.map { |e| e["checkpoint_category"] || e["event"] } }
  end

  private

  def by_experience
    @by_experience ||= @tracker.events.group_by { |event| event["correlation_id"] }
  end

  def twice
    by_experience.filter_map do |id, events|
      ends = events.count { |event| ENDS.include?(event["event"]) }
      "#{id} ended #{ends}x: #{events.map { |event| event["event"] }}" unless ends == 1
    end
  end

  def unbalanced
    ledgers.filter_map do |ledger|
      balanced = ledger["recorded"] == ledger["acknowledged"] && ledger.values_at(*LOST).all?(&:zero?)
      "a ledger does not add up: #{ledger}" unless balanced
    end
  end

  def open
    @tracker.open.zero? ? [] : ["#{@tracker.open} have not ended"]
  end

  def untold
    acknowledged = ledgers.sum { |ledger| ledger["acknowledged"] }
    return [] if acknowledged == @tracker.taken && @tracker.rejected.zero?

    ["the processes have #{acknowledged} acknowledged, the tracker #{@tracker.taken} (#{@tracker.rejected} refused)"]
  end
end
