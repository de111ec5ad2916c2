# frozen_string_literal: true

module Labkit
  module Core
    # The user's block, and how it was left.
    module Block
      # Yields, and tells the experience how the block was left, whatever
      # happens. A jump (`throw`, `break`, `return`) shows neither an end nor an
      # exception; a killed thread looks the same, but knows that it is.
      # @param earlier [Experience, nil] active again afterwards
      # @return [Object] the block's result
      def self.run(experience, earlier = nil)
        exit = Native::EXIT_NON_LOCAL
        result = yield experience
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
        exit = Native::EXIT_ABANDONED if Thread.current.status == "aborting"
        experience.leave(exit, reason, earlier)
      end
    end
  end
end
