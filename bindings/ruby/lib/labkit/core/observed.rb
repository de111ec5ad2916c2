# frozen_string_literal: true

module Labkit
  module Core
    # An experience that is already over when it is recorded.
    Observed = Struct.new(:start_time, :error, :handled, :correlation_id, :extra) do
      # Records start and end.
      def record(client, definition)
        start_time_ms = milliseconds(client.reporter) or return
        code = Native.labkit_observed(
          client.handle, definition.index, *Text.sized(Text.of(correlation_id)),
          start_time_ms, outcome, *Text.sized(reason), *Text.sized(meta(client))
        )
        client.reporter.failed(code) { "#{definition.id} observed" } unless code.zero?
      end

      private

      def outcome
        return Native::OUTCOME_ERROR if error

        handled ? Native::OUTCOME_HANDLED : Native::OUTCOME_SUCCESS
      end

      # `error: true` fails without saying why.
      def reason
        Text.reason(error || handled) unless error == true
      end

      def meta(client)
        Meta.encode({ **Context.scope(client).extra.to_h, **extra })
      end

      def milliseconds(reporter)
        Moment.milliseconds(start_time)
      rescue StandardError => e
        reporter.problem(:invalid_argument, "start_time: #{e.message}")
        nil
      end
    end
  end
end
