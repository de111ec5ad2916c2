# frozen_string_literal: true

module Labkit
  module Core
    # The client behind Labkit::UserExperienceSli: made once, replaced by
    # `configure`, shut down as the process exits.
    module Lifecycle
      # How long the exit of a process may wait for the tracker.
      EXIT_TIMEOUT_MS = 500
      private_constant :EXIT_TIMEOUT_MS

      # The client is read with no lock; this one is for those who replace it.
      def self.extended(face)
        face.instance_variable_set(:@lock, Mutex.new)
      end

      # The settings, to be changed in {configure}.
      # @return [Configuration]
      def configuration
        @configuration ||= Configuration.new
      end

      # Yields the settings, then makes a client of them; an earlier client
      # sends what it has. Once, before the process forks, is best.
      # @raise [UserExperienceSli::ConfigurationError] with `strict`; the
      #   message names the key. Elsewhere the mistake is logged, and nothing
      #   is recorded.
      def configure
        return foreign_ractor if Ractor.current != Ractor.main

        yield configuration if block_given?
        @lock.synchronize { replace_client }
        nil
      end

      # Whether there is a client, made by {configure} or by a first call.
      def configured?
        !client.nil?
      end

      # Waits until all that was recorded is settled, for `timeout_ms` at
      # most. Other threads run meanwhile; Ctrl-C and Thread#kill end the wait.
      # @return [Boolean] false: some of it still waits
      def flush(timeout_ms = 5_000)
        client&.flush(timeout_ms) != false
      end

      # Stops recording and sends what is there, for `timeout_ms` and some 50
      # ms at most; otherwise as {flush}. The exit of a process does it by
      # itself.
      # @return [Boolean] false: something had to be dropped
      def shutdown(timeout_ms = EXIT_TIMEOUT_MS)
        client&.shutdown(timeout_ms) != false
      end

      # What became of all that was recorded in this process.
      # @return [Stats, nil] nil without a client
      def stats
        client&.stats
      end

      # Hands the library's own messages to the logger: a tracker that went
      # away, rejections. It keeps the latest 64 until somebody asks.
      # @return [Array<String>] them
      def drain_log
        client&.drain_log || []
      end

      # From now on requests carry this bearer token; nil for none.
      def token=(token)
        configuration.token = token
        client&.token = token
      end

      # For tests: a client that sends nothing, with mistakes raised.
      # @param options further settings of {configure}, or keys of labkit.h
      # @return [Testing]
      def test_client(registry_path: configuration.registry_path, type: "test", strict: true, **options)
        @configuration = Configuration.new({}).tap do |c|
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
      # @return [Testing]
      # @raise [UserExperienceSli::TestOnlyError] from its methods, if the
      #   client is another
      def testing
        @testing ||= Testing.new(current_client)
      end

      # The client that {configure} made; one of the environment's settings if
      # nobody did.
      # @private
      # @return [Client, nil] nil if the settings are wrong
      def current_client
        @client || (first_client unless @refused)
      rescue Ractor::IsolationError
        foreign_ractor
      end

      private

      def client
        @client
      rescue Ractor::IsolationError
        foreign_ractor
      end

      def first_client
        @lock.synchronize { replace_client unless @client || @refused }
        @client
      end

      # The new client comes first, so that a mistake costs only itself.
      def replace_client
        earlier = @client
        @strict = configuration.strict?
        @client = Client.new(configuration)
        @refused = false
        @testing = nil
        close(earlier)
        watch_exit
      rescue UserExperienceSli::ConfigurationError => e
        raise if @strict

        refuse(e)
      end

      # Without an earlier client nothing is recorded until the next {configure}.
      def refuse(error)
        @refused = true
        reporter = Reporter.new(logger: configuration.logger, strict: false)
        reporter.problem(error.status, error.message)
      end

      # The library's buffers and the fiber's scope belong to the main ractor;
      # other ractors cannot even see the client. `@strict` they can.
      def foreign_ractor
        message = "experiences are recorded in the main Ractor only: start them there, and pass plain data"
        raise UserExperienceSli.error_for(:unsupported_ractor, message) if @strict
        return if Ractor.current[:labkit_refused]

        Ractor.current[:labkit_refused] = true
        Kernel.warn("labkit: #{message}; nothing is recorded (once for each Ractor)")
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
