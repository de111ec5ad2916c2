# frozen_string_literal: true

RSpec.describe Labkit::Core::Client do
  let(:log) { StringIO.new }
  let(:logger) { Logger.new(log) }
  let(:lines) { log.string.lines }

  describe "configuration" do
    def configure(**settings)
      sli.configure do |c|
        c.registry_path = Corpus::DEFINITIONS
        c.endpoint = c.non_local_exit = nil
        c.type = "web"
        c.transport = "memory"
        c.strict = true
        c.logger = logger
        c.options = {}
        settings.each { |key, value| c.public_send(:"#{key}=", value) }
      end
    end

    it "names the key of each mistake" do
      {
        "type" => { type: "Web!" },
        "endpoint" => { transport: "http" },
        "transport" => { transport: "carrier_pigeon" },
        "non_local_exit" => { non_local_exit: "ignored" },
        "registry_path" => { registry_path: "/nowhere" },
        "batch_items" => { options: { batch_items: 0 } },
        "batch_itmes" => { options: { batch_itmes: 1 } },
        "options" => { options: "none" }
      }.each do |key, settings|
        expect { configure(**settings) }.to raise_error(sli::ConfigurationError, /#{key}/), key
      end
    end

    it "keeps the earlier client after a mistake" do
      configure
      expect { configure(type: nil) }.to raise_error(sli::ConfigurationError)

      expect(sli.start(:create_order)).to be_active
    end

    it "reads the environment" do
      env = {
        "LABKIT_ENDPOINT" => "http://tracker:8480", "LABKIT_TYPE" => "sidekiq", "LABKIT_TOKEN" => "secret",
        "LABKIT_REGISTRY_PATH" => "/srv/slis", "RAILS_ENV" => "production"
      }
      configuration = Labkit::Core::Configuration.new(env)

      expect(JSON.parse(configuration.document)).to eq(
        "endpoint" => "http://tracker:8480", "type" => "sidekiq", "token" => "secret",
        "definitions" => "/srv/slis", "strict" => false,
        "sdk" => { "name" => "labkit-ruby", "version" => Labkit::Core::VERSION }
      )
    end

    it "is strict in development and test, unless told otherwise" do
      strict = ->(env) { Labkit::Core::Configuration.new(env).strict? }

      expect(strict.call("RAILS_ENV" => "test")).to be(true)
      expect(strict.call("RACK_ENV" => "development")).to be(true)
      expect(strict.call("RAILS_ENV" => "production", "RACK_ENV" => "test")).to be(false)
      expect(strict.call({})).to be(false)
      expect(Labkit::Core::Configuration.new({}).tap { |c| c.strict = true }).to be_strict
    end

    it "uses the good definitions and reports the bad ones where it is not strict" do
      Dir.mktmpdir do |directory|
        FileUtils.cp(Dir["#{Corpus::DEFINITIONS}/*.yml"], directory)
        File.write("#{directory}/bad.yml", "urgency: yesterday\n")

        expect { configure(registry_path: directory) }.to raise_error(sli::ConfigurationError, /bad\.yml/)
        configure(registry_path: directory, strict: false)
        expect(sli.start(:create_order)).to be_active
        expect(lines.join).to include("bad.yml")
      end
    end
  end

  describe "in production" do
    before { test_client(strict: false, logger:) }

    it "runs the block of an unknown id and returns its result" do
      expect(sli.start(:nobody_wrote_this) { |xp| [xp.checkpoint(:ignored).active?, 42] }).to eq([false, 42])
      expect(sli.resume(:nobody_wrote_this) { 42 }).to eq(42)
      expect { sli.start(:nobody_wrote_this) { raise "a problem" } }.to raise_error("a problem")
      expect(sent).to eq([])
    end

    it "has null experiences on which every call chains" do
      null = sli.start(:nobody_wrote_this)
      chained = null.start.checkpoint(:a, b: 1).error!("c").handled!("d").resume.complete(e: 1).discard!("f")

      expect(chained).to be(null)
      expect(null).to have_attributes(active?: false, has_error?: false, correlation_id: nil, carrier: {}, id: nil)
    end

    it "never raises, whatever it is given" do
      xp = sli.start(:create_order, correlation_id: Object.new, error: 1, nested: { a: 1 })
      xp.checkpoint(Object.new, "not a key!" => Float::NAN).error!(Object.new).complete(urgency: 1)
      sli.observed(:sign_in, start_time: Object.new)
      sli.rehydrate("{")
      sli.rehydrate([1])
      sli.rehydrate({ create_order: 1 })
      sli.record("not json")
      sli.get(nil)
      sli.start(Object.new)

      expect(sent).to eq(["start", "intermediate", "end error"])
      expect(sli.stats).to be_balanced
    end

    it "logs a problem once, not every time" do
      3.times { sli.start(:nobody_wrote_this) }
      2.times { sli.rehydrate("{") }

      expect(lines).to match([/WARN.*nobody_wrote_this.*unknown_experience/, /WARN.*invalid_carrier/])
    end

    it "does nothing at all after wrong settings, but says so" do
      sli.configuration.tap { |c| c.type = nil }
      sli.instance_variable_set(:@client, nil)
      sli.configure

      expect(sli.start(:create_order) { 42 }).to eq(42)
      expect(sli.carrier).to eq({})
      expect(sli.isolate { 42 }).to eq(42)
      expect([sli.flush, sli.shutdown, sli.stats, sli.record({}), sli.drain_log]).to eq([true, true, nil, false, []])
      expect(lines).to match([/WARN.*`type`/])
    end
  end

  describe "the end" do
    it "counts all that was recorded" do
      test_client
      sli.start(:create_order).complete
      expect(sli.stats).to have_attributes(recorded: 2)
      expect(sli.flush(1_000)).to be(true)
      expect(sli.stats).to have_attributes(acknowledged: 2, queued: 0, dropped: 0).and be_balanced
    end

    it "drops and counts what comes after the shutdown, and says so once" do
      test_client(logger:)
      xp = sli.start(:create_order)

      expect([sli.shutdown(1_000), sli.shutdown(1_000)]).to eq([true, true])
      xp.checkpoint.complete
      expect(sli.stats).to have_attributes(recorded: 3, dropped_shut_down: 2).and be_balanced
      expect(lines).to match([/shut_down/])
    end

    it "keeps its deadlines against a tracker that never answers" do
      without_answers do
        expect([within(0.25) { sli.flush(100) }, within(0.4) { sli.shutdown(200) }]).to eq([false, false])
        expect(sli.stats).to have_attributes(dropped_shut_down: 1).and be_balanced
      end
    end

    it "lets other threads run while it waits" do
      without_answers do
        waiting = Thread.new { sli.flush(300) }
        turns = 0
        turns += 1 while waiting.alive? && Thread.pass.nil?

        expect(turns).to be > 100
        sli.shutdown(0)
      end
    end

    it "can be interrupted while it flushes" do
      without_answers do
        waiting = Thread.new do
          Thread.current.report_on_exception = false
          sli.flush(60_000)
        end
        1_000.times { Thread.pass }
        waiting.raise(Interrupt)

        within(1) { expect { waiting.join }.to raise_error(Interrupt) }
        sli.shutdown(0)
      end
    end

    it "can be interrupted while it shuts down, but for the last second" do
      without_answers do
        waiting = Thread.new { sli.shutdown(60_000) }
        Thread.pass until waiting.stop?
        waiting.kill

        within(2) { waiting.join }
        expect(sli.stats).to have_attributes(recorded: 1, queued: 1)
        sli.shutdown(0)
      end
    end

    it "lets Ctrl-C end a wait" do
      without_answers do |port|
        ruby = <<~RUBY
          $stdout.sync = true
          Labkit::UserExperienceSli.start(:create_order)
          trap(:INT) { exit! 3 }
          puts "waiting"
          Labkit::UserExperienceSli.flush(60_000)
        RUBY
        environment = { "LABKIT_ENDPOINT" => "http://127.0.0.1:#{port}", "LABKIT_TYPE" => "web",
                        "LABKIT_REGISTRY_PATH" => Corpus::DEFINITIONS }
        lib = File.expand_path("../../lib", __dir__)
        IO.popen([environment, "ruby", "-I#{lib}", "-rlabkit/core", "-e", ruby, { err: File::NULL }]) do |process|
          process.gets
          Process.kill(:INT, process.pid)
          within(2) { process.read }
        end
        expect(Process.last_status.exitstatus).to eq(3)
      end
    end

    # With one checkpoint on its way to a tracker that takes it and is silent.
    def without_answers
      Socket.tcp_server_sockets("127.0.0.1", 0) do |(silent)|
        http_client(Struct.new(:endpoint).new("http://127.0.0.1:#{silent.local_address.ip_port}"))
        sli.start(:create_order)
        yield silent.local_address.ip_port
      end
    end

    def within(seconds)
      start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      result = yield
      expect(Process.clock_gettime(Process::CLOCK_MONOTONIC) - start).to be < seconds
      result
    end
  end
end
