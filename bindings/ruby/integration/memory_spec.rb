# frozen_string_literal: true

require_relative "integration_helper"

RSpec.describe "A process that records for long", :stage do
  # The library's buffers, Ruby's heap and the sender's have their final size
  # by the half; what grows after it grows for ever.
  let(:bound_kib) { 256 }

  it "does not grow over its last 500,000 calls of 1,000,000" do
    output = servers.run(environment, "ruby", "#{Stage::APPS}/million.rb")
    halves = JSON.parse(output.lines.last)
    puts "  RSS in KiB after 0, 1/4, 1/2, 3/4 and 1,000,000 calls: #{halves}"

    expect(halves.last - halves[2]).to be < bound_kib
    expect(verdict.accounts).to eq([])
    expect(verdict.ledgers.sum { |ledger| ledger["recorded"] }).to eq(1_000_000)
  end
end
