# frozen_string_literal: true

require "socket"
require_relative "integration_helper"

RSpec.describe "The README's start", :stage do
  # Files and commands, in their order: a file is named in backticks at the end
  # of the line before it.
  def script
    text = File.read("#{Stage::RUBY_DIRECTORY}/README.md")[/^## Getting started$.*?(?=^## )/m]
    blocks = text.scan(/(?:`([^`\n]+)`\n\n)?^```(sh|ruby|yaml)\n(.*?)^```$/m)
    blocks.map do |name, language, body|
      next body if language == "sh"

      "mkdir -p $(dirname #{name})\ncat > #{name} <<'END_OF_FILE'\n#{body}END_OF_FILE\n"
    end.join
  end

  def free_port
    Socket.tcp_server_sockets("127.0.0.1", 0) { |(socket)| return socket.local_address.ip_port }
  end

  # What is installed on the machine of somebody new: Ruby, Puma, RSpec, and
  # the tracker in the PATH; the gem lies in the directory.
  def machine
    FileUtils.mkdir_p("#{directory}/bin")
    FileUtils.ln_s(TrackerProcess::BINARY, "#{directory}/bin/labkit-tracker")
    build = ["ruby", "#{Stage::RUBY_DIRECTORY}/build_gems.rb", "#{directory}/clean", ENV.fetch("LABKIT_LIBRARY")]
    servers.run({}, *build)
    nothing = %w[RUBYLIB RUBYOPT LABKIT_LIBRARY LABKIT_ENDPOINT LABKIT_TYPE LABKIT_REGISTRY_PATH
                 LD_LIBRARY_PATH RAILS_ENV RACK_ENV LEDGERS].to_h { |name| [name, nil] }
    path = "#{directory}/bin:#{ENV.fetch("PATH")}"
    nothing.merge("GEM_HOME" => "#{directory}/gems", "PATH" => path, "HOME" => "#{directory}/clean")
  end

  it "works as written, in a clean directory" do
    environment = machine
    port = free_port.to_s # somebody else may have the usual one here
    # What is started in the background ends with the script, also a failed one.
    started = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n#{script.gsub("8480", port)}"
    output = servers.run(
      environment.merge("LABKIT_TRACKER_LISTEN" => "127.0.0.1:#{port}"),
      *%w[timeout 60 bash -eu -o pipefail -c], started, chdir: "#{directory}/clean"
    )

    expect(output).to include("the order\n", 'outcome="success"} 1', "sorry", 'outcome="handled"} 1')
    expect(output).to include("1 example, 0 failures")
  end
end
