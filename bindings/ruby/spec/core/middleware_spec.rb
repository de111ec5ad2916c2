# frozen_string_literal: true

RSpec.describe Labkit::Core::Middleware do
  before { test_client }

  describe Labkit::Core::Middleware::Sidekiq do
    let(:client) { described_class::Client.new }
    let(:server) { described_class::Server.new }
    let(:job) { { "class" => "PrepareOrder", "jid" => "0c2f1a9be4d7a8b1c2d3e4f5" } }

    def enqueue(job)
      client.call("PrepareOrder", job, "default", nil) { job }
    end

    # As the job would come back from Redis.
    def perform(job, &)
      server.call(Object.new, JSON.parse(JSON.generate(job)), "default", &)
    end

    it "says on every active experience that a job was scheduled, and sends them along" do
      sli.start(:create_order)
      sli.start(:sign_in)

      expect(enqueue(job)).to be(job)
      expect(job["labkit_user_experiences"]).to eq(sli.carrier)
      categories = sli.testing.checkpoints.drop(2).map { |c| [c["user_experience_id"], c["checkpoint_category"]] }
      expect(categories).to eq([%w[create_order sidekiq_job_scheduled], %w[sign_in sidekiq_job_scheduled]])
    end

    it "leaves a job alone when nothing is active, and keeps what a retry has" do
      expect(enqueue(job)).not_to have_key("labkit_user_experiences")

      job["labkit_user_experiences"] = { "create_order" => {} }
      expect(enqueue(job)["labkit_user_experiences"]).to eq("create_order" => {})
    end

    it "continues the experience in the job and completes nothing" do
      order = sli.start(:create_order)
      enqueue(job)
      result = Thread.new { perform(job) { sli.get(:create_order).correlation_id } }.value

      expect(result).to eq(order.correlation_id)
      expect(sli.testing.checkpoints.map { |c| c["checkpoint_category"] || c["checkpoint"] })
        .to eq(%w[start sidekiq_job_scheduled sidekiq_job_started])
    end

    it "restores the outer scope after an inline job, also a failed one" do
      order = sli.start(:create_order)
      expect { perform(enqueue(job)) { raise "the job's own problem" } }.to raise_error("the job's own problem")

      expect(sli.get(:create_order)).to be(order)
      expect(order.complete).not_to be_active
    end

    it "gives the retries of one job one correlation id, by its own or its jid" do
      job["labkit_user_experiences"] = { "create_order" => { "start_time" => "2026-01-05T09:59:30.000Z" } }
      seen = Array.new(2) { perform(job) { sli.get(:create_order).correlation_id } }
      job["correlation_id"] = "another"
      seen << perform(job) { sli.get(:create_order).correlation_id }

      expect(seen[0]).to eq(seen[1])
      expect(seen[2]).not_to eq(seen[0])
      expect(sli.testing.checkpoints.last["meta"])
        .to eq("request_correlation_id" => "another", "worker" => "PrepareOrder")
    end

    it "leaves a job alone whose ActiveJob carries its experiences itself" do
      sli.start(:create_order)
      inner = { "labkit_user_experiences" => sli.carrier }
      job.update("class" => "JobWrapper", "wrapped" => "PrepareOrder", "args" => [inner])

      expect(perform(enqueue(job)) { sli.get(:create_order).active? }).to be(false)
      expect(job).not_to have_key("labkit_user_experiences")
      expect(sent).to eq(["start"])
    end

    it "isolates jobs that bring nothing" do
      sli.start(:create_order)

      expect(perform(job) { sli.get(:create_order).active? }).to be(false)
    end
  end

  describe Labkit::Core::Middleware::Rack do
    let(:header) { sli.isolate { sli.start(:create_order) && sli.carrier_header } }
    let(:env) { { "HTTP_X_LABKIT_USER_EXPERIENCES" => header, "REMOTE_ADDR" => "10.0.0.7" } }
    let(:app) { ->(_env) { [200, {}, [sli.get(:create_order).active?]] } }

    def resumed?(**options)
      described_class.new(app, **options).call(env)[2].first
    end

    it "believes the header of nobody by default" do
      expect(resumed?).to be(false)
      expect(resumed?(trusted: false)).to be(false)
      expect(resumed?(trusted: nil)).to be(false)
    end

    it "believes peers that the application trusts" do
      expect(resumed?(trusted: true)).to be(true)
      expect(resumed?(trusted: ->(env) { env["REMOTE_ADDR"] == "10.0.0.7" })).to be(true)
      expect(resumed?(trusted: ->(env) { env["REMOTE_ADDR"] == "10.0.0.8" })).to be(false)
    end

    it "trusts nobody where the application's judgement fails, and serves the request" do
      broken = ->(env) { env.fetch("REMOTE_HOST") }
      expect { resumed?(trusted: broken) }.to raise_error(sli::ArgumentError, /trusted: .*REMOTE_HOST/)

      header # made by the strict client
      test_client(strict: false)
      expect(resumed?(trusted: broken)).to be(false)
    end

    it "says that the experience goes on with this request" do
      resumed?(trusted: true)

      expect(sli.testing.checkpoints.last).to include("checkpoint_category" => "http_request_started")
    end

    it "takes no harm from a header that cannot be read" do
      test_client(strict: false)
      env["HTTP_X_LABKIT_USER_EXPERIENCES"] = "?"

      expect(resumed?(trusted: true)).to be(false)
    end

    it "begins each request with nothing active, and leaves nothing behind" do
      sli.start(:sign_in)
      seen = nil
      app = ->(_env) { (seen = sli.get(:sign_in).active?) || sli.start(:create_order) }
      described_class.new(app).call({})

      expect([seen, sli.get(:create_order).active?, sli.get(:sign_in).active?]).to eq([false, false, true])
    end

    it "tells trusted peers what is active when the application has answered, and nobody else" do
      app = lambda do |_env|
        sli.start(:sign_in).complete
        sli.start(:create_order)
        [200, {}, []]
      end
      told = [true, false].map { |trusted| described_class.new(app, trusted:).call({})[1]["x-labkit-user-experiences"] }

      expect(JSON.parse(Labkit::Core::Carrier.from_header(told[0])).keys).to eq(["create_order"])
      expect(told[1]).to be_nil
    end

    it "tells nothing where nothing is active, or where headers cannot be changed" do
      expect(described_class.new(->(_env) { [200, {}, []] }, trusted: true).call({})[1]).to eq({})
      frozen = ->(_env) { sli.start(:create_order) && [200, {}.freeze, []] }
      expect(described_class.new(frozen, trusted: true).call({})[1]).to eq({})
    end

    it "adds the request's id, where the framework has one" do
      env["action_dispatch.request_id"] = "req-1"
      described_class.new(->(_env) { sli.start(:sign_in) }).call(env)

      expect(sli.testing.checkpoints.last["meta"]).to eq("request_correlation_id" => "req-1")
    end
  end
end
