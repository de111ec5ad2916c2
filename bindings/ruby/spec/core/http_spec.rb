# frozen_string_literal: true

RSpec.describe "A round trip over HTTP" do
  around { |example| HttpTracker.run { |tracker| (@tracker = tracker) && example.run } }

  attr_reader :tracker

  it "delivers checkpoints in their order, in a good envelope" do
    http_client(tracker)
    sli.start(:create_order, project_id: 7) { |xp| xp.checkpoint(:form_posted) }

    expect(sli.flush(5_000)).to be(true)
    expect(tracker.mistakes).to eq([])
    expect(tracker.checkpoints.map { |c| c["checkpoint"] }).to eq(%w[start intermediate end])
    expect(tracker.checkpoints.first).to include("type" => "web", "meta" => { "project_id" => 7 })
    expect(sli.stats).to have_attributes(recorded: 3, acknowledged: 3, queued: 0).and be_balanced
  end

  it "sends the token, and a new one from the next request on" do
    sli.configuration.token = "first"
    http_client(tracker)
    %w[first second].each do |token|
      sli.token = token
      sli.start(:sign_in).complete
      sli.flush(5_000)
    end
    sli.token = nil

    expect(tracker.batches.map { |batch| batch["headers"]["authorization"] }).to eq(["Bearer first", "Bearer second"])
  end

  it "sends by itself when the process exits" do
    ruby = <<~RUBY
      Labkit::UserExperienceSli.start(:create_order).complete
      child = fork { Labkit::UserExperienceSli.start(:sign_in).complete }
      Process.wait(child)
      exit 3
    RUBY
    system(environment(tracker), "ruby", "-I#{lib}", "-rlabkit/core", "-e", ruby)

    expect(Process.last_status.exitstatus).to eq(3)
    expect(tracker.mistakes).to eq([])
    expect(tracker.checkpoints.map { |c| c["user_experience_id"] }.tally).to eq("create_order" => 2, "sign_in" => 2)
  end

  it "lets the process exit in time when nobody answers" do
    Socket.tcp_server_sockets("127.0.0.1", 0) do |(silent)|
      silence = Struct.new(:endpoint).new("http://127.0.0.1:#{silent.local_address.ip_port}")
      ruby = <<~RUBY
        at_exit { print Process.clock_gettime(Process::CLOCK_MONOTONIC) - $start }
        Labkit::UserExperienceSli.configure
        Labkit::UserExperienceSli.start(:create_order)
        $start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      RUBY
      command = [environment(silence), "ruby", "-I#{lib}", "-rlabkit/core", "-e", ruby]
      output = IO.popen(command, err: File::NULL, &:read)

      expect(output.to_f).to be_between(0.4, 0.7)
      expect(Process.last_status).to be_success
    end
  end

  def lib
    File.expand_path("../../lib", __dir__)
  end

  def environment(tracker)
    {
      "LABKIT_ENDPOINT" => tracker.endpoint, "LABKIT_TYPE" => "web",
      "LABKIT_REGISTRY_PATH" => Corpus::DEFINITIONS, "RAILS_ENV" => "production"
    }
  end
end
