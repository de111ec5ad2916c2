# frozen_string_literal: true

RSpec.describe Labkit::Core::Context do
  before { test_client }

  it "is one for each thread" do
    sli.start(:create_order)

    expect(Thread.new { sli.get(:create_order).active? }.value).to be(false)
    expect(sli.get(:create_order)).to be_active
  end

  it "is one for each fiber" do
    sli.start(:create_order)
    fiber = Fiber.new do
      inside = sli.start(:create_order)
      Fiber.yield inside.correlation_id
      sli.get(:create_order).correlation_id
    end

    seen = fiber.resume
    expect(sli.get(:create_order).correlation_id).not_to eq(seen)
    expect(fiber.resume).to eq(seen)
    expect(sent).to eq(%w[start start])
  end

  it "ends with an experience wherever that is completed" do
    xp = sli.start(:create_order)
    Thread.new { xp.complete }.join

    expect(sli.get(:create_order)).not_to be(xp)
  end

  it "nests blocks of one id, and restores the outer one" do
    sli.start(:create_order) do |outer|
      sli.start(:create_order) { |inner| expect(sli.get(:create_order)).to be(inner) }
      expect(sli.get(:create_order)).to be(outer)
    end

    expect(sli.get(:create_order)).not_to be_active
    expect(sent).to eq(["start", "start", "end success", "end success"])
  end

  it "does not restore an outer one that is over" do
    outer = sli.start(:create_order)
    sli.start(:create_order) { outer.complete }

    expect(sli.get(:create_order)).not_to be_active
  end

  it "leaves an experience active that a block started and did not complete" do
    sli.start(:create_order) { sli.start(:sign_in) }

    expect(sli.get(:sign_in)).to be_active
  end

  it "discards what is started again without a block" do
    sli.start(:create_order)
    sli.start(:create_order)

    expect(sent).to eq(["start", "end discarded", "start"])
  end

  it "has scopes that restore the outer one also after an exception" do
    xp = sli.start(:create_order)
    expect do
      sli.isolate do
        expect(sli.get(:create_order)).not_to be_active
        raise "a problem"
      end
    end.to raise_error("a problem")

    expect(sli.get(:create_order)).to be(xp)
  end

  it "returns the result of a scope's block" do
    expect(sli.isolate { 42 }).to eq(42)
  end

  it "can be entered and left in two steps, in the fiber that entered" do
    outer = sli.start(:create_order)
    scopes = described_class.enter(sli.current_client)
    sli.start(:sign_in)
    Fiber.new { described_class.leave(scopes) }.resume

    expect([sli.get(:create_order).active?, sli.get(:sign_in).active?]).to eq([false, true])
    described_class.leave(scopes)
    expect(sli.get(:create_order)).to be(outer)
  end

  it "adds the request's own correlation id to every checkpoint of the scope" do
    sli.isolate(request_correlation_id: "req-1") do
      sli.start(:create_order).checkpoint(step: 1).checkpoint(request_correlation_id: "mine").complete
      sli.observed(:sign_in, start_time: Time.now, via: "sso")
    end

    expect(sli.testing.checkpoints.map { |c| c["meta"] }).to eq(
      [
        { "request_correlation_id" => "req-1" },
        { "request_correlation_id" => "req-1", "step" => 1 },
        { "request_correlation_id" => "mine" },
        { "request_correlation_id" => "req-1" },
        *[{ "request_correlation_id" => "req-1", "via" => "sso" }] * 2
      ]
    )
  end

  it "forgets the experiences of an earlier client" do
    sli.start(:create_order)
    test_client
    sli.start(:create_order)

    expect(sent).to eq(["start"])
  end
end
