# frozen_string_literal: true

module Labkit
  # Records whether user experiences start, proceed and end.
  #
  #   Labkit::UserExperienceSli.configure do |c|
  #     c.registry_path = "config/user_experience_slis"
  #     c.endpoint = "http://127.0.0.1:8480"
  #     c.type = "web"
  #   end
  #
  #   Labkit::UserExperienceSli.start(:create_merge_request, project_id: 7) do |xp|
  #     xp.checkpoint(:form_posted)
  #   end
  #
  # Nothing here waits for the tracker, except {flush} and {shutdown}, and
  # nothing raises outside development and test. Every method may be called
  # from every thread at once; experiences belong to the fiber that started
  # them until they are handed over.
  module UserExperienceSli
    # Opened by itself, before the rest: whatever is loaded below may name it.
  end
end

require "labkit/core/version"
require "labkit/core/errors"
require "labkit/core/native"
require "labkit/core/text"
require "labkit/core/meta"
require "labkit/core/moment"
require "labkit/core/reporter"
require "labkit/core/configuration"
require "labkit/core/context"
require "labkit/core/client"
require "labkit/core/block"
require "labkit/core/experience"
require "labkit/core/observed"
require "labkit/core/null_experience"
require "labkit/core/carrier"
require "labkit/core/testing"
require "labkit/core/middleware/rack"
require "labkit/core/middleware/sidekiq"

module Labkit
  # The public face; it translates, and asks Core for everything else.
  module UserExperienceSli
    # How long the exit of a process may wait for the tracker.
    EXIT_TIMEOUT_MS = 500
    private_constant :EXIT_TIMEOUT_MS

    @lock = Mutex.new

    class << self
      # The settings, to be changed in {configure}.
      # @return [Core::Configuration]
      def configuration
        @configuration ||= Core::Configuration.new
      end

      # Yields the settings, then makes a client of them; an earlier client
      # sends what it has. Once, before the process forks, is best.
      # @raise [ConfigurationError] with `strict`; the message names the key.
      #   Elsewhere the mistake is logged, and nothing is recorded.
      def configure
        yield configuration if block_given?
        @lock.synchronize { replace_client }
        nil
      end

      # Starts an experience in the current context. Without a block it is
      # active until it is completed, here or wherever its carrier goes. With
      # a block it ends as the block is left: well at its end, as an error by
      # an exception, which is raised on unchanged, and as expected
      # (`non_local_exit`) by `throw`, `break` or `return`.
      #
      # @param id [Symbol, String] of the definition
      # @param correlation_id [String, nil] a ULID or 32 hex digits; by
      #   default a fresh one
      # @param extra further fields of the checkpoint: scalars
      # @yieldparam experience [Core::Experience]
      # @return [Core::Experience, Object] the experience, or the block's result
      # @raise [NotFoundError, ArgumentError] with `strict`
      def start(id, correlation_id: nil, **extra, &block)
        experience(id).start_with(correlation_id, extra, &block)
      end

      # Continues the experience that is active in this context, for example
      # in a job that brought it; a silent no-op if there is none. A block
      # always runs, and ends the experience as it does for {start}.
      # @return [Core::Experience, Object] the experience, or the block's result
      def resume(id, checkpoint_category: "resume", **extra, &block)
        get(id).resume_with(checkpoint_category, extra, &block)
      end

      # The experience that is active in this context, or else one that has
      # not started, on which every call but `start` does nothing.
      # @return [Core::Experience]
      def get(id)
        client = current_client
        definition = client&.definition(id)
        return Core::NullExperience.instance unless definition

        Core::Context.scope(client)[definition.index] || Core::Experience.new(client, definition)
      end

      # Records something that is already over.
      # @param start_time [Time, DateTime, String, Numeric] a String in ISO
      #   8601, a number in seconds since the epoch; later than now is now
      # @param error [Exception, String, true, nil] it failed, and why
      # @param handled [String, Symbol, nil] it ended as expected, and why
      # @return [Core::Experience] on which every call does nothing
      def observed(id, start_time:, error: nil, handled: nil, correlation_id: nil, **extra)
        client = current_client
        definition = client&.definition(id)
        observed = Core::Observed.new(start_time, error, handled, correlation_id, extra)
        observed.record(client, definition) if definition
        Core::NullExperience.instance
      end

      # All active experiences of this context, for another process.
      # @return [Hash] to be written as JSON, empty if there are none
      def carrier
        client = current_client
        client ? Core::Carrier.collect(Core::Context.scope(client)) : {}
      end

      # {carrier} as the value of the header X-Labkit-User-Experiences.
      # @return [String, nil] nil if there is nothing to send along, or more
      #   than the 4 KiB that fit
      def carrier_header
        Core::Carrier.to_header(carrier)
      end

      # Sends a checkpoint on every active experience, then returns {carrier}.
      # @param category [String, Symbol] what happened
      # @return [Hash]
      def hand_over(category)
        client = current_client
        return {} unless client

        scope = Core::Context.scope(client)
        scope.to_a.each { |experience| experience.checkpoint(category) }
        Core::Carrier.collect(scope)
      end

      # Continues what a carrier brought, in the current context. Ids that are
      # not defined here are another service's business.
      # @param carrier [Hash, String] String: JSON
      # @param job [String, nil] the job's correlation id or jid, from which a
      #   correlation id is derived if the carrier has none
      # @param category [String, Symbol, nil] by default "resume"
      # @param only [Symbol, String, nil] this experience and no other
      # @return [Array<Core::Experience>] those that go on
      # @raise [InvalidCarrierError] with `strict`
      def rehydrate(carrier, job: nil, category: nil, only: nil, **extra)
        client = current_client
        return [] unless client

        Core::Carrier.entries(client, carrier, only).filter_map do |definition, json|
          experience = Core::Experience.new(client, definition).take_up(json, job, category, extra)
          experience if experience.active?
        end
      end

      # Runs the block in an inner scope, in which nothing is active at first,
      # and restores the outer one.
      # @param request_correlation_id [String, nil] the host's own name for
      #   this request or job; every checkpoint of the scope carries it
      def isolate(request_correlation_id: nil, &block)
        client = current_client
        client ? Core::Context.isolate(client, request_correlation_id, &block) : yield
      end

      # Records a whole payload of the wire format, for those who keep the
      # life cycle themselves.
      # @param payload [String, Hash] String: JSON
      # @return [Boolean] whether it was taken
      def record(payload)
        payload = JSON.generate(payload) unless payload.is_a?(String)
        current_client&.record(payload) || false
      end

      # Waits until all that was recorded is settled, for `timeout_ms` at
      # most. Other threads run meanwhile.
      # @return [Boolean] false: some of it still waits
      def flush(timeout_ms = 5_000)
        @client ? @client.flush(timeout_ms) : true
      end

      # Stops recording and sends what is there, for `timeout_ms` and some 50
      # ms at most. The exit of a process does it by itself.
      # @return [Boolean] false: something had to be dropped
      def shutdown(timeout_ms = EXIT_TIMEOUT_MS)
        @client ? @client.shutdown(timeout_ms) : true
      end

      # What became of all that was recorded in this process.
      # @return [Core::Stats, nil] nil without a client
      def stats
        @client&.stats
      end

      # Hands the library's own messages to the logger: a tracker that went
      # away, rejections. It keeps the latest 64 until somebody asks.
      # @return [Array<String>] them
      def drain_log
        @client ? @client.drain_log : []
      end

      # From now on requests carry this bearer token; nil for none.
      def token=(token)
        configuration.token = token
        @client&.token = token
      end

      # For tests: a client that sends nothing, with mistakes raised.
      # @param options further settings of {configure}, or keys of labkit.h
      # @return [Core::Testing]
      def test_client(registry_path: configuration.registry_path, type: "test", strict: true, **options)
        @configuration = Core::Configuration.new({}).tap do |c|
          c.registry_path = registry_path
          c.type = type
          c.strict = strict
          c.transport = "memory"
          c.logger = options.delete(:logger)
          c.options = options
        end
        configure
        testing
      end

      # Controls of the client that {test_client} made.
      # @return [Core::Testing]
      # @raise [TestOnlyError] from its methods, if the client is another
      def testing
        @testing ||= Core::Testing.new(current_client)
      end

      # The client that {configure} made; one of the environment's settings if
      # nobody did.
      # @private
      # @return [Core::Client, nil] nil if the settings are wrong
      def current_client
        @client || (first_client unless @refused)
      end

      private

      def experience(id)
        client = current_client
        definition = client&.definition(id)
        definition ? Core::Experience.new(client, definition) : Core::NullExperience.instance
      end

      def first_client
        @lock.synchronize { replace_client unless @client || @refused }
        @client
      end

      # The new client comes first, so that a mistake costs only itself.
      def replace_client
        earlier = @client
        @client = Core::Client.new(configuration)
        @refused = false
        @testing = nil
        close(earlier)
        watch_exit
      rescue ConfigurationError => e
        raise if configuration.strict?

        refuse(e)
      end

      # Without an earlier client nothing is recorded until the next {configure}.
      def refuse(error)
        @refused = true
        reporter = Core::Reporter.new(logger: configuration.logger, strict: false)
        reporter.problem(error.status, error.message)
      end

      def close(client)
        client&.shutdown(EXIT_TIMEOUT_MS)
        client&.free
      end

      # Children of this process inherit the hook, and send their own.
      def watch_exit
        return if @watching

        @watching = true
        at_exit { leave_process }
      end

      def leave_process
        shutdown(EXIT_TIMEOUT_MS)
      rescue StandardError
        nil # the host's exit is none of our business
      end
    end
  end
end
