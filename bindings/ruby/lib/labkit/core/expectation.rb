# frozen_string_literal: true

require "json"
require "time"

module Labkit
  module Core
    # What a block of a test should do to one user experience, for the matchers
    # of RSpec and the assertions of Minitest. It reads what a client with the
    # memory transport would have sent.
    class Expectation
      VERBS = %i[start checkpoint resume complete observed].freeze
      # Their ends are looked at.
      ENDS = %i[complete observed].freeze
      # What a rehydrated experience says first, by itself or in a job.
      RESUMED = %w[resume sidekiq_job_started active_job_started http_request_started].freeze
      private_constant :ENDS, :RESUMED

      # @param verb [Symbol] one of VERBS
      # @param by [Integer] how often; for `checkpoint` at least, as jobs and
      #   requests add some of their own
      # @param error [Boolean] of an end: whether as an error
      # @param success [Boolean] of an end that is no error: whether within the
      #   urgency's threshold
      def initialize(verb, id, by: 1, error: false, success: true)
        @verb = verb
        @id = id.to_s
        @by = by
        @error = error
        @success = success
        @found = []
      end

      # Before each test: nothing is active, and nothing recorded, if the
      # client is one for tests.
      def self.begin
        return unless UserExperienceSli.configured?

        UserExperienceSli::Current.reset
        UserExperienceSli.testing.clear
      end

      # Runs the block.
      # @return [Boolean] whether it did what is expected
      def met_by?(block)
        watch(block)
        count = @found.count { |checkpoint| wanted?(checkpoint) }
        @verb == :checkpoint ? count >= @by : count == @by
      end

      # Runs the block.
      # @return [Boolean] whether it did nothing of the kind
      def unmet_by?(block)
        watch(block)
        @found.empty?
      end

      def description
        "#{@verb} the user experience #{@id}"
      end

      def failure
        how_often = "#{"at least " if @verb == :checkpoint}#{@by}x"
        how = " (error: #{@error}, success: #{@success})" if ENDS.include?(@verb)
        "expected the block to #{description} #{how_often}#{how}, but #{found}"
      end

      def failure_when_negated
        "expected the block not to #{description}, but #{found}"
      end

      private

      def watch(block)
        testing = UserExperienceSli.testing
        before = testing.pull.size
        block.call
        sent = testing.pull.drop(before).map { |line| JSON.parse(line) }
        @found = sent.select { |checkpoint| checkpoint["user_experience_id"] == @id && of_kind?(checkpoint) }
      end

      def of_kind?(checkpoint)
        case @verb
        when :start then checkpoint["checkpoint"] == "start"
        when :checkpoint then checkpoint["checkpoint"] == "intermediate"
        when :resume then RESUMED.include?(checkpoint["checkpoint_category"])
        else checkpoint["checkpoint"] == "end"
        end
      end

      def wanted?(checkpoint)
        return true unless ENDS.include?(@verb)
        return @error if checkpoint["outcome"] == "error"

        !@error && checkpoint["outcome"] != "discarded" && on_time?(checkpoint) == @success
      end

      # An end whose start is not known says nothing of the time it took.
      def on_time?(checkpoint)
        elapsed_s = elapsed_s(checkpoint) or return true
        client = UserExperienceSli.current_client
        elapsed_s <= client.definition_info(client.definition(@id))["apdex_threshold_s"]
      end

      def elapsed_s(checkpoint)
        return checkpoint["elapsed_ms"] / 1000.0 if checkpoint["elapsed_ms"]
        return unless checkpoint["started_at"]

        Time.iso8601(checkpoint["client_timestamp"]) - Time.iso8601(checkpoint["started_at"])
      end

      def found
        return "it did so #{@found.size}x" unless ENDS.include?(@verb)

        ends = @found.map do |checkpoint|
          [*checkpoint["outcome"], ("slow" unless on_time?(checkpoint))].compact.join(" ")
        end
        "its ends were #{ends}"
      end
    end
  end
end
