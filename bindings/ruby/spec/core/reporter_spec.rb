# frozen_string_literal: true

RSpec.describe Labkit::Core::Reporter do
  let(:log) { StringIO.new }
  let(:time) { [1_000.0] }

  def reporter(strict: false, logger: Logger.new(log))
    described_class.new(logger:, strict:, clock: -> { time[0] })
  end

  it "logs the first problem of a kind, and the next a minute later" do
    reporter = reporter()
    3.times { |n| reporter.problem(:queue_full, "problem #{n}") }
    reporter.problem(:shut_down, "of another kind")
    time[0] += 59.9
    reporter.problem(:queue_full, "problem 3")
    time[0] += 0.1
    reporter.problem(:queue_full, "problem 4")

    expect(log.string.scan(/problem \d|of another kind/)).to eq(["problem 0", "of another kind", "problem 4"])
  end

  it "neither raises nor logs what happens in good programs" do
    [201, 202, 205].each { |code| reporter(strict: true).failed(code) { raise "not even asked" } }

    expect(log.string).to be_empty
  end

  it "raises mistakes in strict mode, and only those" do
    reporter = reporter(strict: true)

    expect { reporter.failed(106) { "here" } }.to raise_error(Helpers::SLI::ReservedKeywordError, /here: /)
    expect { reporter.failed(300) { "here" } }.not_to raise_error
    expect(log.string).to include("queue_full")
  end

  it "survives a logger that fails, and the lack of one" do
    broken = Object.new
    def broken.warn(*) = raise(IOError, "closed")

    expect { reporter(logger: broken).problem(:panic, "x") }.not_to raise_error
    expect { reporter(logger: nil).problem(:panic, "x") }.not_to raise_error
  end

  it "names statuses of later versions by their number" do
    reporter.failed(777) { "here" }

    expect(log.string).to include("status_777")
  end
end
