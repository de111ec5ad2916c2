# frozen_string_literal: true

# What a call costs its caller, in nanoseconds, beside JSON.generate of the
# same three fields: a plain JSON log line could not be cheaper than that.
#
#   ruby -Ilib bench/calls.rb [results.jsonl]
#
# Each figure is the median of rounds that fit the queue, so that nothing is
# dropped; between them the queue is emptied outside of the time. The goals
# are a fifteenth (without meta) and a fifth (with) of what a JSON log line
# and two counters cost, 22.4 us an event.
ENV["LABKIT_LIBRARY"] ||= File.expand_path("../../../target/lib/liblabkit.so.0", __dir__)

require "json"
require "labkit/core"

SLI = Labkit::UserExperienceSli
CALLS = 2_000
ROUNDS = 51
FIELDS = { project_id: 7, kind: "gift", total: 12.5 }.freeze
GOAL = 22_400 / 15
GOAL_WITH_META = 22_400 / 5

def now_ns
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

def round_ns
  start = now_ns
  n = 0
  while n < CALLS
    yield
    n += 1
  end
  (now_ns - start).fdiv(CALLS)
end

def median_ns(&)
  rounds = Array.new(ROUNDS) do
    round_ns(&).tap { SLI.testing.take }
  end
  rounds.sort[ROUNDS / 2].round
end

SLI.test_client(
  registry_path: File.expand_path("../../../tests/scenarios/definitions", __dir__), strict: false
)
xp = SLI.start(:sign_in)
peer_ns = median_ns { JSON.generate(FIELDS) }
results = {
  "ruby_start_complete" => [GOAL * 2, median_ns { SLI.start(:create_order).complete }],
  "ruby_start_block" => [GOAL * 2, median_ns { SLI.start(:create_order) { nil } }],
  "ruby_checkpoint" => [GOAL, median_ns { xp.checkpoint }],
  "ruby_checkpoint_meta3" => [
    GOAL_WITH_META, median_ns { xp.checkpoint(project_id: 7, kind: "gift", total: 12.5) }
  ]
}
raise "something was dropped: #{SLI.stats}" unless SLI.stats.dropped.zero?

lines = results.map do |name, (goal, value)|
  {
    name:, value:, unit: "ns", peer: "JSON.generate of three fields", peer_value: peer_ns,
    ratio: peer_ns.fdiv(value).round(2), goal:
  }
end
lines.each { |line| puts format("%-24<name>s %6<value>d ns  (peer %<peer_value>d, goal %<goal>d)", line) }
File.write(ARGV[0], lines.map { |line| "#{JSON.generate(line)}\n" }.join) if ARGV[0]
