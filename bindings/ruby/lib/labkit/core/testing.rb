# frozen_string_literal: true

require "json"

module Labkit
  module Core
    # Controls of a client with the memory transport: a clock that stands
    # still, predictable ids, and what would have been sent.
    class Testing
      # Everything taken so far, as JSON texts.
      # @return [Array<String>]
      attr_reader :journal

      def initialize(client)
        @client = client
        @journal = []
        @taken = 0
      end

      # Stops the clock; it moves only by further calls.
      # @param time [Time, String, Numeric] see {Moment.milliseconds}
      def set_clock(time) # rubocop:disable Naming/AccessorMethodName -- the library's name
        check(Native.labkit_test_set_clock(@client.handle, Moment.milliseconds(time)), "set_clock")
      end

      # Number n from now on, from 0, is the ULID of the clock's time and `seed + n`.
      def seed_ids(seed)
        check(Native.labkit_test_seed_ids(@client.handle, seed), "seed_ids")
      end

      # What would have been sent since the last call.
      # @return [Array<String>] JSON of one checkpoint each, byte for byte
      def take
        pull
        fresh = journal.drop(@taken)
        @taken = journal.size
        fresh
      end

      # As {#take}, parsed.
      # @return [Array<Hash>]
      def checkpoints
        take.map { |line| JSON.parse(line) }
      end

      # Forgets what was recorded so far; of no effect with another transport.
      def clear
        pull
        @journal = []
        @taken = 0
      rescue UserExperienceSli::TestOnlyError
        nil
      end

      # Brings the journal up to date, and takes nothing away from {#take}.
      # @return [Array<String>] the journal
      def pull
        code, text = Native.read_text(65_536) do |*buffer|
          Native.labkit_test_take(@client.handle, *buffer)
        end
        check(code, "take")
        journal.concat(text.lines(chomp: true))
      end

      private

      def check(code, call)
        return if code.zero?

        raise UserExperienceSli.error_for(
          Native.status(code), "#{call}: #{Native.labkit_status_message(code)}"
        )
      end
    end
  end
end
