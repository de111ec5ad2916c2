# frozen_string_literal: true

# RSpec matchers with the names of GitLab's LabKit. In the test environment
# (RAILS_ENV or RACK_ENV) they need no preparation, unless an endpoint is set;
# elsewhere:
#
#   before { Labkit::UserExperienceSli.test_client }
#
#   expect { post :create }.to start_user_experience(:create_merge_request)
#     .and complete_user_experience(:create_merge_request)
#   expect { post :create }.to complete_user_experience(:create_merge_request, error: true)
#   expect { get :index }.not_to start_user_experience(:create_merge_request)
#
# Matchers: start_, checkpoint_, resume_, complete_ and observed_user_experience;
# their arguments are those of Labkit::Core::Expectation.
require "labkit/core"
require "labkit/core/expectation"
require "rspec/expectations"

Labkit::Core::Expectation::VERBS.each do |verb|
  RSpec::Matchers.define :"#{verb}_user_experience" do |id, **how|
    supports_block_expectations
    expectation = Labkit::Core::Expectation.new(verb, id, **how)

    match { |block| expectation.met_by?(block) }
    match_when_negated { |block| expectation.unmet_by?(block) }
    description { expectation.description }
    failure_message { expectation.failure }
    failure_message_when_negated { expectation.failure_when_negated }
  end
end

RSpec.configure { |config| config.before { Labkit::Core::Expectation.begin } } if RSpec.respond_to?(:configure)
