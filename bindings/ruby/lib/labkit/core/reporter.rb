# frozen_string_literal: true

module Labkit
  module Core
    # What to do about a status that is not ok: raise it where mistakes should
    # show (`strict`), otherwise log the first of its kind in a minute.
    #
    # There is no lock: it could not be taken in a signal handler, and the
    # worst that two threads can do to each other is one line too many.
    class Reporter
      # What happens in good programs, too: calls on an experience that a
      # worker never started, or that is over.
      SILENT = %i[not_started over not_in_carrier].freeze
      # No mistakes of the caller: logged, but never raised.
      CIRCUMSTANCES = %i[invalid_handle shut_down queue_full deadline_exceeded panic].freeze
      PAUSE_S = 60
      private_constant :SILENT, :CIRCUMSTANCES, :PAUSE_S

      # @param logger [Logger, nil] anything that has `warn`; nil for silence
      # @param strict [Boolean]
      # @param clock [#call] monotonic seconds
      def initialize(logger:, strict:, clock: -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) })
        @logger = logger
        @strict = strict
        @clock = clock
        @logged = {}
      end

      # @param code [Integer] a status other than ok
      # @yieldreturn [String] what was being done
      # @raise [UserExperienceSli::UserExperienceError] with `strict`
      def failed(code)
        status = Native.status(code)
        return if SILENT.include?(status)

        problem(status, "#{yield}: #{Native.labkit_status_message(code)}")
      end

      # As {#failed}, for what the library never saw.
      # @param status [Symbol]
      def problem(status, message)
        raise UserExperienceSli.error_for(status, message) if @strict && !CIRCUMSTANCES.include?(status)

        now = @clock.call
        last = @logged[status]
        return if last && now - last < PAUSE_S

        @logged[status] = now
        warn("#{message} (#{status}; at most one such line a minute)")
      end

      # A line for the host's log; a logger that fails is not our host's problem.
      def warn(message)
        @logger&.warn("labkit: #{message}")
      rescue StandardError
        nil
      end
    end
  end
end
