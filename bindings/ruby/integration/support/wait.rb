# frozen_string_literal: true

# Waits for what other processes do.
module Wait
  # @param seconds [Numeric] a deadline, not a duration: generous
  # @return what the block returned, once that is truthy
  def self.until(what, seconds: 30)
    give_up = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    loop do
      result = yield
      return result if result
      raise "#{what} did not happen in #{seconds} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > give_up

      sleep 0.02
    end
  end
end
