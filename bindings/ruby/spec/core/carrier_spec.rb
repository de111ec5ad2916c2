# frozen_string_literal: true

RSpec.describe Labkit::Core::Carrier do
  before { test_client }

  it "merges all active experiences of the context" do
    order = sli.start(:create_order)
    sign_in = sli.start(:sign_in)
    sli.start(:sign_in) { nil }

    expect(sli.carrier).to eq(order.carrier.merge(sign_in.carrier))
    sign_in.complete
    expect(sli.carrier).to match("create_order" => { "start_time" => String, "correlation_id" => order.correlation_id })
  end

  it "is empty when nothing is active" do
    expect(sli.carrier).to eq({})
    expect(sli.carrier_header).to be_nil
    expect(sli.get(:create_order).carrier).to eq({})
    expect(sli.start(:create_order).complete.carrier).to eq({})
  end

  it "continues in another context what it brings" do
    order = sli.start(:create_order)
    carrier = sli.carrier
    resumed = sli.isolate { sli.rehydrate(carrier, category: :handed_over, step: 2) }

    expect(resumed.map(&:correlation_id)).to eq([order.correlation_id])
    expect(sli.testing.checkpoints.last).to include(
      "checkpoint_category" => "handed_over", "meta" => { "step" => 2 }, "started_at" => String
    )
  end

  it "leaves alone ids that are not defined here, also in strict mode" do
    carrier = { "nobody_wrote_this" => { "start_time" => "2026-01-05T10:00:00.000Z" } }

    expect(sli.rehydrate(carrier.merge(sli.start(:create_order).carrier)).map(&:id)).to eq(["create_order"])
  end

  it "survives a bad entry beside a good one" do
    test_client(strict: false)
    carrier = { "sign_in" => 1, "create_order" => { "correlation_id" => "01KE6Y6MG0AAAAAAAAAAAAAAAA" } }

    expect(sli.rehydrate(carrier).map(&:id)).to eq(["create_order"])
  end

  it "travels as a header: base64url of the JSON without padding" do
    sli.start(:create_order)
    header = sli.carrier_header

    expect(header).to match(/\A[\w-]+\z/)
    expect(JSON.parse(described_class.from_header(header))).to eq(sli.carrier)
  end

  it "reads headers of any length and refuses the rest" do
    (1..8).each do |n|
      carrier = { "a" * n => "ü?>" }
      expect(described_class.from_header(described_class.to_header(carrier))).to eq(JSON.generate(carrier))
    end

    ["no base64!", "a", "A" * 4097, ""].each { |header| expect(described_class.from_header(header)).to eq("") }
  end

  it "sends no header that is too long" do
    expect(described_class.to_header("a" => "x" * 4096)).to be_nil
  end
end
