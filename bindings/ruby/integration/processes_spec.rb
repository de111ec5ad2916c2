# frozen_string_literal: true

require "socket"
require_relative "integration_helper"

RSpec.describe "Processes that multiply", :stage do
  def ledgers
    Dir["#{directory}/ledgers/*.json"]
  end

  it "go on recording as a daemon" do
    servers.run(environment, "ruby", "#{Stage::APPS}/daemon.rb")
    Wait.until("the daemon's end") { ledgers.size == 2 }

    expect(verdict.mistakes).to eq([])
    expect(verdict.outcomes).to eq(success: 3)
    expect(verdict.ledgers.map { |ledger| ledger["recorded"] }).to contain_exactly(3, 4)
  end

  it "record in every command of a server that has the application loaded, as Spring does" do
    socket = "#{directory}/preloader.sock"
    preloader = servers.start(environment.merge("APP_ROOT" => directory), "ruby", "#{Stage::APPS}/preloader.rb", socket)
    servers.await(preloader, /^ready$/)
    outputs = Array.new(3) { Thread.new { command(socket) } }.map(&:value)
    servers.stop(preloader)
    Wait.until("the end of all commands") { ledgers.size == 4 }

    expect(outputs).to all(include("failed as it should"))
    expect(verdict.mistakes).to eq([])
    expect(verdict.outcomes).to eq(success: 2 + 6, error: 3)
    expect(verdict.ledgers.map { |ledger| ledger["recorded"] }).to contain_exactly(4, 8, 8, 8)
  end

  # Has the command run, with this process's pipe for output.
  def command(socket)
    reader, writer = IO.pipe
    UNIXSocket.open(socket) do |preloader|
      preloader.send_io(writer)
      preloader.puts("#{Stage::APPS}/command.rb")
      preloader.gets
    end
    writer.close
    reader.read
  end
end
