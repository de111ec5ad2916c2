# frozen_string_literal: true

# A million checkpoints of every kind, as fast as the tracker takes them;
# prints the resident memory at each quarter, in KiB.
require "labkit/core"

SLI = Labkit::UserExperienceSli
SLI.configure { |c| c.type = "web" }
CALLS = 1_000_000
# Fits the queue, so that nothing is dropped.
ROUND = 5_000

def rss_kib
  GC.start
  File.read("/proc/self/statm").split[1].to_i * 4
end

# Ten checkpoints: three of an experience that fails, three of a block, one
# that is over, and what else a request does.
def work
  xp = SLI.start(:create_merge_request, project_id: 7)
  xp.checkpoint(:form_posted, kind: "gift", total: 12.5)
  SLI.carrier_header
  xp.error!("late").complete
  SLI.isolate { SLI.start(:load_comments) { |inner| inner.checkpoint(:found) } }
  SLI.start(:lint_ci_config).discard!("a dry run")
  SLI.rehydrate("{}")
  SLI.stats
  SLI.start(:sign_in_dashboard)
end

def quarter
  (CALLS / 4 / ROUND).times do
    (ROUND / 10).times { work && SLI.get(:sign_in_dashboard).complete }
    SLI.flush(30_000) or abort "the tracker is too slow"
  end
  rss_kib
end

puts [rss_kib, *Array.new(4) { quarter }].inspect
