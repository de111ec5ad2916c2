# frozen_string_literal: true

RSpec.describe Labkit::UserExperienceSli::Current do
  before { test_client }

  # gitlab-labkit's middlewares of Sidekiq, as far as they use this.
  def schedule(job)
    data = described_class.active_experiences.inject({}) do |all, (_, xp)|
      xp.checkpoint(checkpoint_action: "sidekiq_job_scheduled", worker: "PrepareOrder")
      all.merge!(xp.to_h)
    end
    job[described_class::AGGREGATION_KEY] = data unless data.empty?
    job
  end

  def perform(job)
    job[described_class::AGGREGATION_KEY]&.each do |id, data|
      xp = described_class.rehydrate(id, **data)
      xp.checkpoint(checkpoint_action: "sidekiq_job_started", worker: "PrepareOrder")
    end
    yield
  ensure
    described_class.reset
  end

  it "serves gitlab-labkit's own middlewares" do
    order = sli.start(:create_order)
    job = JSON.parse(JSON.generate(schedule({})))
    seen = Thread.new { perform(job) { sli.get(:create_order).complete.correlation_id } }.value

    expect(seen).to eq(order.correlation_id)
    expect(sli.testing.checkpoints.map { |c| c["checkpoint_category"] || c["checkpoint"] })
      .to eq(%w[start sidekiq_job_scheduled resume sidekiq_job_started end])
  end

  it "forgets what is active here, and nothing of the scope around" do
    order = sli.start(:create_order)
    sli.isolate do
      sli.start(:sign_in)
      described_class.reset
      expect(described_class.active_experiences).to eq({})
    end

    expect(described_class.active_experiences).to eq("create_order" => order)
    described_class.reset
    expect(sli.get(:create_order)).not_to be_active
  end

  it "rehydrates one experience, by itself or through Current" do
    carrier = sli.start(:create_order).to_h
    resumed = sli.isolate { described_class.rehydrate(:create_order, **carrier["create_order"]) }
    again = sli.isolate { sli.get(:create_order).rehydrate(carrier["create_order"]) }

    expect([resumed, again].map(&:to_h)).to eq([carrier] * 2)
    expect(again.start_time.utc.iso8601(3)).to eq(carrier.dig("create_order", "start_time"))
  end

  it "does nothing for ids that are not defined, where mistakes do not raise" do
    test_client(strict: false)

    expect(described_class.rehydrate(:nobody_wrote_this, "start_time" => "2026-01-05T10:00:00.000Z")).not_to be_active
    expect(sli.get(:nobody_wrote_this)).to have_attributes(to_h: {}, start_time: nil, rehydrate: be(sli.get(nil)))
  end
end
