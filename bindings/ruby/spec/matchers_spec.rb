# frozen_string_literal: true

require "labkit/rspec/matchers"

RSpec.describe "The matchers" do
  let!(:testing) { test_client }

  def order(error: nil, ms: 0, handled: nil)
    now = Time.utc(2026, 1, 5, 10)
    testing.set_clock(now)
    xp = sli.start(:create_order).checkpoint(:inside)
    testing.set_clock(now + (ms / 1000r))
    xp.error!(error) if error
    xp.handled!(handled) if handled
    xp.complete
  end

  it "see what the block did, alone and together" do
    expect { order }.to start_user_experience(:create_order)
      .and checkpoint_user_experience("create_order")
      .and complete_user_experience(:create_order)
    expect { order }.not_to start_user_experience(:sign_in)
    expect { sli.start(:sign_in) }.not_to complete_user_experience(:sign_in)
    expect { 2.times { order } }.to start_user_experience(:create_order, by: 2)
  end

  it "tell errors, slow ends and expected ones apart" do
    expect { order(error: "x") }.to complete_user_experience(:create_order, error: true, success: false)
    expect { order(error: "x") }.to complete_user_experience(:create_order, error: true)
    expect { order(ms: 10_000) }.to complete_user_experience(:create_order)
    expect { order(ms: 10_001) }.to complete_user_experience(:create_order, success: false)
    expect { order(handled: "x") }.to complete_user_experience(:create_order)
  end

  it "see a resume and something that is already over" do
    sli.start(:create_order)
    expect { sli.resume(:create_order) }.to resume_user_experience(:create_order)
      .and checkpoint_user_experience(:create_order)
    expect { sli.observed(:sign_in, start_time: Time.now - 5) }
      .to observed_user_experience(:sign_in, success: false)
    expect { sli.observed(:sign_in, start_time: Time.now, error: "x") }
      .to observed_user_experience(:sign_in, error: true)
  end

  it "take `by` of checkpoints for the least, as jobs add some of their own" do
    sli.start(:create_order)

    expect { 3.times { sli.get(:create_order).checkpoint } }.to checkpoint_user_experience(:create_order, by: 2)
    expect { expect { sli.get(:create_order).checkpoint }.to checkpoint_user_experience(:create_order, by: 2) }
      .to raise_error(RSpec::Expectations::ExpectationNotMetError, /at least 2x, but it did so 1x/)
  end

  it "need no preparation in the test environment, and begin each example with nothing active" do
    examples = <<~RUBY
      RSpec.describe "GitLab's specs" do
        it("sees a start") { expect { Labkit::UserExperienceSli.start(:create_order) }.to start_user_experience(:create_order) }
        it("sees no end of the former") do
          expect { Labkit::UserExperienceSli.start(:create_order) }.not_to complete_user_experience(:create_order)
        end
      end
    RUBY
    Dir.mktmpdir do |directory|
      FileUtils.mkdir_p("#{directory}/config")
      FileUtils.cp_r(Corpus::DEFINITIONS, "#{directory}/config/user_experience_slis")
      File.write("#{directory}/its_spec.rb", examples)
      lib = File.expand_path("../lib", __dir__)
      command = %W[rspec -I#{lib} --require labkit/rspec/matchers --order defined its_spec.rb]
      output = IO.popen([{ "RAILS_ENV" => "test" }, *command], chdir: directory, err: %i[child out], &:read)

      expect(output).to include("2 examples, 0 failures")
    end
  end

  it "fail when they should, and say why" do
    failures = [
      -> { expect { nil }.to start_user_experience(:sign_in) },
      -> { expect { order }.not_to start_user_experience(:create_order) },
      -> { expect { order(error: "x") }.to complete_user_experience(:create_order) },
      -> { expect { order }.to complete_user_experience(:create_order, error: true) },
      -> { expect { order(ms: 10_001) }.to complete_user_experience(:create_order) },
      -> { expect { order }.not_to complete_user_experience(:create_order) },
      -> { expect { sli.start(:sign_in).discard!("x") }.to complete_user_experience(:sign_in) }
    ]

    expect(failures).to all(raise_error(RSpec::Expectations::ExpectationNotMetError, /sign_in|create_order/))
  end
end
