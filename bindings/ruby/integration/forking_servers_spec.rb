# frozen_string_literal: true

require_relative "integration_helper"
require_relative "support/browser"

RSpec.describe "Servers that load the application and fork", :stage do
  # Paths of the shop, and the outcome of their experience.
  wishes = { "success" => :success, "error" => :error, "handled" => :handled, "discarded" => :discarded,
             "system" => :success }

  # Asks from several threads, until each worker has answered, and often.
  # @return [Array] process ids and the outcomes of what they were asked for
  def ask(wishes, workers:)
    seen = Queue.new
    Array.new(4) do
      Thread.new do
        answers = []
        Wait.until("an answer of each worker") do
          wishes.each { |wish, outcome| answers << [yield("/#{wish}"), outcome] }
          answers.size >= 20 && answers.map(&:first).uniq.size == workers
        end
        seen << answers
      end
    end.each(&:join)
    Array.new(seen.size) { seen.pop }.flatten(1)
  end

  def expect_all_of(answers)
    outcomes = answers.map(&:last).tally
    outcomes[:success] += 1 # the master's own

    expect(verdict.mistakes).to eq([])
    expect(verdict.outcomes).to eq(outcomes)
    expect(verdict.ledgers.size).to eq(3) # the master and two workers
    expect(verdict.ledgers.map { |ledger| ledger["recorded"] }.min).to eq(2)
  end

  it "records each experience once under a Puma cluster with preload" do
    puma = servers.start(environment, "puma", "--workers", "2", "--threads", "2:2", "--preload",
                         "--bind", "tcp://127.0.0.1:0", "#{Stage::APPS}/shop.ru")
    address = servers.await(puma, %r{Listening on (http://127\.0\.0\.1:\d+)})[1]
    servers.await(puma, /Worker 1 \(PID: \d+\) booted/)
    answers = ask(wishes, workers: 2) { |path| Browser.get(address, path).body }
    servers.stop(puma)

    expect_all_of(answers)
  end

  it "records each experience once under Unicorn with preload" do
    socket = "#{directory}/unicorn.sock"
    unicorn = servers.start(environment.merge("UNICORN_SOCKET" => socket), "unicorn",
                            "--config-file", "#{Stage::APPS}/unicorn.rb", "--env", "none", "#{Stage::APPS}/shop.ru")
    servers.await(unicorn, /worker=1 ready/)
    answers = ask(wishes, workers: 2) { |path| Browser.get_over(socket, path) }
    servers.stop(unicorn, :QUIT)

    expect_all_of(answers)
  end
end
