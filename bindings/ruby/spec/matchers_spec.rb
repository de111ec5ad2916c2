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
