# frozen_string_literal: true

require "time"

module Labkit
  module Core
    # A point in time as milliseconds since the Unix epoch.
    module Moment
      # @param time [Time, DateTime, String, Integer, Float] a String in ISO
      #   8601; a number in seconds since the epoch, as `Time#to_f` gives
      # @return [Integer]
      def self.milliseconds(time)
        case time
        when Numeric then (time * 1000).floor
        when String then milliseconds(Time.iso8601(time))
        else
          time = time.to_time
          (time.to_i * 1000) + (time.nsec / 1_000_000)
        end
      end
    end
  end
end
