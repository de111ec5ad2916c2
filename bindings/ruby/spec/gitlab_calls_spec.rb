# frozen_string_literal: true

# How GitLab calls the library of this name.
RSpec.describe "GitLab's call sites" do
  before { test_client }

  it "configure without a word on where to send" do
    lib = File.expand_path("../lib", __dir__)
    script = <<~RUBY
      Labkit::UserExperienceSli.configure do |config|
        config.registry_path = Pathname.new(#{Corpus::DEFINITIONS.inspect})
        config.logger = Logger.new(nil)
        config.ref_resolver_timeout = 5
        config.feature_category_schema_path = "schema.json"
      end
      Labkit::UserExperienceSli.start(:create_order) { |xp| xp.checkpoint }
      print Labkit::UserExperienceSli.testing.checkpoints.size
    RUBY
    environment = { "RAILS_ENV" => "test", "LABKIT_ENDPOINT" => nil, "LABKIT_TYPE" => nil }
    output = IO.popen([environment, "ruby", "-I#{lib}", "-rlabkit/core", "-rpathname", "-e", script], &:read)

    expect(output).to eq("3")
  end

  it "name what happened by checkpoint_action" do
    xp = sli.start(:create_order)
    xp.checkpoint(checkpoint_action: "push", worker: "W").checkpoint(:mine, checkpoint_action: "x")

    expect(sli.testing.checkpoints.map { |c| [c["checkpoint_category"], c["meta"]] })
      .to eq([[nil, nil], ["push", { "worker" => "W" }], ["mine", { "checkpoint_action" => "x" }]])
  end

  it "complete in a worker that returns early" do
    context = { merge_request_id: 1, user_id: 2 }
    sli.start(:create_order)
    xp = sli.resume(:create_order, **context)
    xp.error!("merge request not ready")
    xp.error!("merge request is already prepared")

    expect(xp.has_error?).to be(true)
    expect(xp.complete(**context)).to be(xp)
    expect(sli.testing.checkpoints.last).to include("outcome" => "error", "meta" => context.transform_keys(&:to_s))
  end

  it "observe with an error that is false, and a start that came from a session" do
    sli.observed(:sign_in, start_time: "2026-01-05T10:00:00.000Z", error: false, pipeline_source: "push")

    expect(sli.testing.checkpoints.last).to include("outcome" => "success")
  end

  it "wrap a block that takes no experience" do
    def track
      sli.start(:create_order) { yield } # rubocop:disable Style/ExplicitBlockArgument -- GitLab's words
    end

    expect(track { :result }).to eq(:result)
  end

  it "go on without an experience in jobs that nobody started one for" do
    xp = sli.resume(:create_order)

    expect(xp.error!("not found").complete).to be(xp)
    expect([xp.has_error?, sent]).to eq([false, []])
  end
end
