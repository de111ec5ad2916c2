# frozen_string_literal: true

# What Spring does: one process loads the Rails application, and forks for each
# command that comes over a socket; the child gets a session and the client's
# output, loads the command, and exits as any program does.
require "socket"
require "rails"
require "active_job/railtie"
require "labkit/core"

class PreloadedApplication < Rails::Application
  config.root = ENV.fetch("APP_ROOT")
  config.eager_load = false
  config.logger = Logger.new($stdout)
  config.labkit.endpoint = ENV.fetch("LABKIT_ENDPOINT")
end
PreloadedApplication.initialize!

SLI = Labkit::UserExperienceSli
SLI.start(:sign_in_dashboard).complete
SLI.flush # its thread has run, and a connection is open
SLI.start(:lint_ci_config).complete # waits in the queue of the parent

def serve(client)
  output = client.recv_io
  command = client.gets.chomp
  child = fork do
    Process.setsid
    [$stdout, $stderr].each { |stream| stream.reopen(output) }
    srand
    load command
  end
  output.close
  Process.detach(child)
  client.puts(child)
end

trap(:TERM) { exit }
server = UNIXServer.new(ARGV[0])
puts "ready"
$stdout.flush
loop { server.accept.then { |client| serve(client) && client.close } }
