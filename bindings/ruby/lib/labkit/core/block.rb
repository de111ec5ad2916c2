# frozen_string_literal: true

module Labkit
  module Core
    # The user's block, and how it was left: mixed into {Experience}, which ends so.
    module Block
      private

      # Yields itself, and tells the library how the block was left, whatever
      # happens. A jump (`throw`, `break`, `return`) shows neither an end nor an
      # exception; a killed thread looks the same, but knows that it is.
      # @param meta [String, nil] what the block was given, for its end
      # @param earlier [Experience, nil] active again afterwards
      # @return [Object] the block's result
      def within_block(meta, earlier = nil)
        exit = Native::EXIT_NON_LOCAL
        result = yield self
        exit = Native::EXIT_NORMAL
        result
      rescue SystemExit, SignalException
        exit = Native::EXIT_ABANDONED
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException -- raised on at once
        exit = Native::EXIT_ERROR
        reason = Text.reason(e)
        raise
      ensure
        # An end that was reached is one, also where a dying thread cleans up.
        exit = Native::EXIT_ABANDONED if exit != Native::EXIT_NORMAL && Thread.current.status == "aborting"
        leave(exit, reason, meta, earlier)
      end
    end
  end
end
