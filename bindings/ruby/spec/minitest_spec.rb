# frozen_string_literal: true

require "minitest"
require "labkit/minitest/assertions"

RSpec.describe Labkit::Minitest::Assertions do
  # A test of a user, run without Minitest's own at_exit.
  def test(&block)
    test_case = Class.new(Minitest::Test) do
      include Labkit::Minitest::Assertions
      define_method(:sli) { Labkit::UserExperienceSli }
      define_method(:test_it, block)
    end
    Minitest::Runnable.runnables.delete(test_case)
    test_case.new("test_it").run
  end

  before { test_client }

  it "pass for what the block did, and return its result" do
    result = test do
      assert_equal 42, assert_start_user_experience(:create_order) { sli.start(:create_order) && 42 }
      assert_checkpoint_user_experience(:create_order) { sli.get(:create_order).checkpoint.checkpoint }
      assert_resume_user_experience(:create_order) { sli.resume(:create_order) }
      assert_complete_user_experience(:create_order, error: true) { sli.get(:create_order).error!("x").complete }
      assert_observed_user_experience(:sign_in, success: false) { sli.observed(:sign_in, start_time: Time.now - 5) }
      assert_equal 7, refute_start_user_experience(:sign_in) { 7 }
    end

    expect(result.failures).to eq([])
    expect(result.assertions).to be >= 8
  end

  it "fail when they should, and say why" do
    failures = [
      test { assert_start_user_experience(:sign_in) { nil } },
      test { refute_start_user_experience(:sign_in) { sli.start(:sign_in) } },
      test { assert_complete_user_experience(:sign_in) { sli.start(:sign_in).error!("x").complete } },
      test { assert_checkpoint_user_experience(:sign_in, by: 2) { sli.start(:sign_in).checkpoint } }
    ].map { |result| result.failure.message }

    expect(failures).to match(
      [/start the user experience sign_in 1x, but it did so 0x/, /not to start the user experience sign_in.*1x/,
       /its ends were \["error"\]/, /at least 2x, but it did so 1x/]
    )
  end

  it "begin each test with nothing active and nothing recorded" do
    sli.start(:create_order)
    result = test { refute sli.get(:create_order).active? }

    expect(result.failures).to eq([])
    expect(sent).to eq([])
  end
end
