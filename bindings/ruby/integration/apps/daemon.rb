# frozen_string_literal: true

# Records, leaves its terminal, and goes on. Process.daemon ends the first
# process without its exit handlers, so what that one has must be out before.
require "labkit/core"

SLI = Labkit::UserExperienceSli
SLI.configure { |c| c.type = "web" }
SLI.start(:sign_in_dashboard)
SLI.start(:load_comments).complete
SLI.flush or abort "not sent"
File.write(File.join(ENV.fetch("LEDGERS"), "#{Process.pid}.json"), JSON.generate(SLI.stats.to_h))

Process.daemon(true, true)
SLI.get(:sign_in_dashboard).complete
SLI.start(:load_comments) { |xp| xp.checkpoint(:in_the_daemon) }
