# frozen_string_literal: true

# What a call costs, beside what LabKit does today, in one run:
#
#   ruby -Ilib bench/calls.rb [results.jsonl]
#
# Each figure is the median of rounds, ours and the peer's in turn. A round
# fits the queue, so that nothing is dropped; the time to send it is no part of
# what the caller pays, and part of the total CPU. The tracker is a real one.
# A goal is a ratio: so many times below the peer.
ENV["LABKIT_LIBRARY"] ||= File.expand_path("../../../target/lib/liblabkit.so.0", __dir__)

require "tmpdir"
require "labkit/core"
require_relative "peer"
require_relative "../integration/support/tracker_process"

SLI = Labkit::UserExperienceSli
DEFINITIONS = File.expand_path("../../../tests/scenarios/definitions", __dir__)
# As many checkpoints as the tracker takes of one experience, and some to spare.
CALLS = 1_000
ROUNDS = 61
ROW = "%-48<name>s %6<value>d ns  peer %6<peer_value>d  x%<ratio>.1f  goal %<goal>s"

# A call, how many checkpoints it records, and the goal.
Subject = Struct.new(:name, :checkpoints, :goal, :peer, :call)

def subjects(peer)
  plain = -> { peer.call }
  meta = -> { peer.call(project_id: 7, kind: "gift", total: 12.5) }
  [
    Subject.new("checkpoint", 1, 15, plain, -> { @xp.checkpoint }),
    Subject.new("checkpoint, 3 fields", 1, 5, meta, -> { @xp.checkpoint(project_id: 7, kind: "gift", total: 12.5) }),
    Subject.new("start + complete", 2, 15, plain, -> { SLI.start(:create_order).complete }),
    Subject.new("start + complete, 3 fields each", 2, 5, meta, lambda {
      SLI.start(:create_order, project_id: 7, kind: "gift", total: 12.5)
         .complete(project_id: 7, kind: "gift", total: 12.5)
    }),
    Subject.new("block", 2, 15, plain, -> { SLI.start(:create_order) { nil } }),
    # Its end has them, too.
    Subject.new("block, 3 fields", 2, 5, meta, lambda {
      SLI.start(:create_order, project_id: 7, kind: "gift", total: 12.5) { nil }
    })
  ]
end

def clock(which)
  Process.clock_gettime(which, :nanosecond)
end

def repeat(call, times)
  n = 0
  while n < times
    call.call
    n += 1
  end
end

# Nanoseconds of wall time for each call, of as many threads as wanted.
def wall_ns(call, threads)
  start = clock(Process::CLOCK_MONOTONIC)
  if threads == 1
    repeat(call, CALLS)
  else
    Array.new(threads) { Thread.new { repeat(call, CALLS / threads) } }.each(&:join)
  end
  (clock(Process::CLOCK_MONOTONIC) - start).fdiv(CALLS)
end

# Nanoseconds of CPU for each call, of all threads, until it has been sent.
def cpu_ns(call)
  start = clock(Process::CLOCK_PROCESS_CPUTIME_ID)
  repeat(call, CALLS)
  settle
  (clock(Process::CLOCK_PROCESS_CPUTIME_ID) - start).fdiv(CALLS)
end

def settle
  SLI.flush(60_000) or abort "the tracker is too slow"
end

# Medians of ours and of the peer's, for each checkpoint.
def medians(subject)
  rounds = Array.new(ROUNDS) do
    @xp = SLI.start(:sign_in)
    settle
    [yield(subject.call), yield(subject.peer)].tap { @xp.complete && settle }
  end
  ours, peers = rounds.transpose.map { |figures| figures.sort[ROUNDS / 2] }
  [ours / subject.checkpoints, peers]
end

def figure(name, subject, &)
  ours, peers = medians(subject, &)
  {
    name: "ruby #{subject.name}, #{name}", value: ours.round, unit: "ns per checkpoint", peer: Peer::NAME,
    peer_value: peers.round, ratio: (peers / ours).round(1), goal: subject.goal
  }
end

def figures
  subjects(Peer.new).flat_map do |subject|
    [
      figure("1 thread", subject) { |call| wall_ns(call, 1) },
      figure("4 threads", subject) { |call| wall_ns(call, 4) },
      figure("total CPU", subject) { |call| cpu_ns(call) }.merge(goal: nil)
    ]
  end
end

Dir.mktmpdir do |directory|
  TrackerProcess.run(directory, DEFINITIONS) do |tracker|
    SLI.configure do |c|
      c.registry_path = DEFINITIONS
      c.endpoint = tracker.endpoint
      c.type = "web"
      c.strict = false
    end
    lines = figures
    raise "something was lost: #{SLI.stats}" unless SLI.stats.acknowledged == SLI.stats.recorded

    lines.each { |line| puts format(ROW, line) }
    File.write(ARGV[0], lines.map { |line| "#{JSON.generate(line.compact)}\n" }.join) if ARGV[0]
    SLI.shutdown(5_000)
  end
end
