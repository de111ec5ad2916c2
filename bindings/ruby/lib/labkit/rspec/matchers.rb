# frozen_string_literal: true

# RSpec matchers with the names of GitLab's LabKit. They read what a client
# with the memory transport would have sent:
#
#   before { Labkit::UserExperienceSli.test_client }
#
#   expect { post :create }.to start_user_experience(:create_merge_request)
#     .and complete_user_experience(:create_merge_request)
#   expect { post :create }.to complete_user_experience(:create_merge_request, error: true)
#   expect { get :index }.not_to start_user_experience(:create_merge_request)
#
# `by:` says how often (once by default). Where an end is expected, `error:`
# says whether as an error (no by default), and `success:` whether within the
# urgency's threshold (yes by default; of no meaning for errors).
require "json"
require "labkit/core"
require "rspec/expectations"
require "time"

module Labkit
  module RSpec
    # What the matchers of this file have in common.
    module UserExperienceMatchers
      # What a rehydrated experience says first, by itself or in a job.
      RESUMED = %w[resume sidekiq_job_started].freeze

      # The checkpoints of `id` that the block would have sent.
      def checkpoints_of(id, block)
        testing = UserExperienceSli.testing
        before = testing.pull.size
        block.call
        sent = testing.pull.drop(before).map { |line| JSON.parse(line) }
        sent.select { |checkpoint| checkpoint["user_experience_id"] == id.to_s }
      end

      def ended?(checkpoint, error, success)
        return error if checkpoint["outcome"] == "error"

        !error && checkpoint["outcome"] != "discarded" && on_time?(checkpoint) == success
      end

      def on_time?(checkpoint)
        elapsed_s = checkpoint["elapsed_ms"]&./(1000.0)
        elapsed_s ||= Time.iso8601(checkpoint["client_timestamp"]) - Time.iso8601(checkpoint["started_at"])
        client = UserExperienceSli.current_client
        definition = client.definition(checkpoint["user_experience_id"])
        elapsed_s <= client.definition_info(definition)["apdex_threshold_s"]
      end
    end
  end
end

{
  start: ->(checkpoint) { checkpoint["checkpoint"] == "start" },
  checkpoint: ->(checkpoint) { checkpoint["checkpoint"] == "intermediate" },
  resume: lambda { |checkpoint|
    Labkit::RSpec::UserExperienceMatchers::RESUMED.include?(checkpoint["checkpoint_category"])
  }
}.each do |verb, wanted|
  RSpec::Matchers.define :"#{verb}_user_experience" do |id, by: 1|
    include Labkit::RSpec::UserExperienceMatchers
    supports_block_expectations

    match { |block| (@found = checkpoints_of(id, block).count(&wanted)) == by }
    match_when_negated { |block| (@found = checkpoints_of(id, block).count(&wanted)).zero? }

    description { "#{verb} the user experience #{id}" }
    failure_message { "expected the block to #{description} #{by}x, but it did #{@found}x" }
    failure_message_when_negated { "expected the block not to #{description}, but it did #{@found}x" }
  end
end

%i[complete observed].each do |verb|
  RSpec::Matchers.define :"#{verb}_user_experience" do |id, error: false, success: true, by: 1|
    include Labkit::RSpec::UserExperienceMatchers
    supports_block_expectations

    match do |block|
      ends = checkpoints_of(id, block).select { |checkpoint| checkpoint["checkpoint"] == "end" }
      @found = ends.map { |checkpoint| checkpoint["outcome"] }
      ends.count { |checkpoint| ended?(checkpoint, error, success) } == by
    end
    match_when_negated do |block|
      ends = checkpoints_of(id, block).select { |checkpoint| checkpoint["checkpoint"] == "end" }
      @found = ends.map { |checkpoint| checkpoint["outcome"] }
      ends.empty?
    end

    description { "#{verb} the user experience #{id}" }
    failure_message do
      "expected the block to #{description} #{by}x (error: #{error}, success: #{success}), " \
        "but its ends were #{@found}"
    end
    failure_message_when_negated { "expected the block not to #{description}, but its ends were #{@found}" }
  end
end
