# frozen_string_literal: true

# How a process ends, and what becomes then of what it has recorded.
RSpec.describe "A process that ends" do
  # Each begins after one experience has been recorded; none ends it by itself.
  ways = {
    "at the end of its program" => ["", 0],
    "by exit" => ["exit 3", 3],
    "by exit in a thread" => ["Thread.new { exit 3 }.join", 3],
    "by abort" => ["abort", 1],
    "by an exception" => ["raise 'a problem'", 1],
    "by SIGTERM" => ["Process.kill(:TERM, Process.pid); sleep", Signal.list["TERM"]],
    "by SIGINT" => ["Process.kill(:INT, Process.pid); sleep", Signal.list["INT"]],
    "in the middle of a block" => ["Labkit::UserExperienceSli.start(:sign_in) { exit 3 }", 3]
  }
  busy = <<~RUBY
    4.times { Thread.new { loop { Labkit::UserExperienceSli.observed(:sign_in, start_time: Time.now) } } }
    sleep 0.05
  RUBY

  ways.each do |way, (ruby, code)|
    it "loses nothing #{way}" do
      HttpTracker.run do |tracker|
        _, status = run(ruby, endpoint: tracker.endpoint)

        expect(status.exitstatus || status.termsig).to eq(code)
        expect(tracker.mistakes).to eq([])
        expect(tracker.checkpoints.map { |c| [c["user_experience_id"], c["checkpoint"]] })
          .to start_with(%w[create_order start], %w[create_order end])
      end
    end
  end

  # Ruby gives each of the busy threads a tenth of a second before ours goes on.
  it "ends in time while threads record, whether somebody answers or not" do
    HttpTracker.run do |tracker|
      silently do |silence|
        [tracker.endpoint, silence].each do |endpoint|
          seconds, status = run(busy, endpoint:)

          expect(status).to be_success
          expect(seconds).to be < 1.2
        end
      end
    end
  end

  it "ends in time while nobody answers" do
    silently do |silence|
      ways.each_value do |ruby, _|
        seconds, = run(ruby, endpoint: silence)

        expect(seconds).to be_between(0.4, 0.7), "#{ruby}: #{seconds}"
      end
    end
  end

  it "ends in time while the resolver hangs" do
    preload = ENV.fetch("LABKIT_SILENT_DNS")
    expect(File).to exist(preload)
    seconds, status = run("", endpoint: "http://tracker.example.", "LD_PRELOAD" => preload)

    expect(seconds).to be_between(0.4, 0.7)
    expect(status).to be_success
  end

  # With the address of a server that accepts connections and never answers.
  def silently
    Socket.tcp_server_sockets("127.0.0.1", 0) do |(silent)|
      yield "http://127.0.0.1:#{silent.local_address.ip_port}"
    end
  end

  # How long the process took to leave, and how it left.
  def run(ruby, endpoint:, **environment)
    script = <<~RUBY
      at_exit { print Process.clock_gettime(Process::CLOCK_MONOTONIC) - $leaving } # the last to run
      Labkit::UserExperienceSli.start(:create_order).complete
      at_exit { $leaving = Process.clock_gettime(Process::CLOCK_MONOTONIC) } # the first
      #{ruby}
    RUBY
    environment = environment.transform_keys(&:to_s).merge(
      "LABKIT_ENDPOINT" => endpoint, "LABKIT_TYPE" => "web",
      "LABKIT_REGISTRY_PATH" => Corpus::DEFINITIONS, "RAILS_ENV" => "production"
    )
    lib = File.expand_path("../lib", __dir__)
    output = IO.popen([environment, "ruby", "-I#{lib}", "-rlabkit/core", "-e", script], err: File::NULL, &:read)
    [output.to_f, Process.last_status]
  end
end
