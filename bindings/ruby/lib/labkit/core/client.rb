# frozen_string_literal: true

require "json"

module Labkit
  module Core
    # What product teams wrote: a number in the library, the file's name, and
    # the client that has read it.
    Definition = Struct.new(:index, :id, :client) do
      # Not the client, with all that it refers to.
      def inspect
        "#<#{self.class} #{id}>"
      end
      alias_method :to_s, :inspect
    end

    # What became of all that was recorded in this process. Whenever nothing
    # is in progress, recorded = acknowledged + rejected + queued + dropped.
    Stats = Struct.new(*Native::STATS_FIELDS) do
      def balanced?
        recorded == acknowledged + rejected + queued + dropped
      end
    end

    # A client of the library: definitions, settings, a queue, and one thread
    # that sends. Every method may be called from every thread at once.
    class Client
      STATS_BYTES = 8 * (1 + Native::STATS_FIELDS.size)
      # The first wait of a flush; each is twice the one before.
      FIRST_WAIT_MS = 50
      # As long as a shutdown may keep Ruby from seeing an interrupt.
      LAST_WAIT_MS = 1_000
      private_constant :STATS_BYTES, :FIRST_WAIT_MS, :LAST_WAIT_MS

      # @return [Integer] labkit_client
      attr_reader :handle
      # @return [Reporter]
      attr_reader :reporter

      # Reads the definitions. No thread is started and no connection made
      # before the first record.
      # @param configuration [Configuration]
      # @raise [UserExperienceSli::ConfigurationError] the message names the key
      def initialize(configuration, reporter: nil)
        @reporter = reporter ||
                    Reporter.new(logger: configuration.logger, strict: configuration.strict?)
        @definitions = {}
        @handle = connect(configuration)
        drain_log # definitions that could not be used
      end

      # @param id [Symbol, String]
      # @return [Definition, nil] nil if there is none, which is reported
      def definition(id)
        @definitions[id] || look_up(id) { |code| reporter.failed(code) { Text.of(id).to_s } }
      end

      # As {#definition}, for ids that come from elsewhere: not knowing one is
      # no mistake.
      def definition_if_known(id)
        @definitions[id] || look_up(id) { |_| nil }
      end

      # The definition as it was read: `id`, `description`,
      # `feature_category`, `urgency`, `apdex_threshold_s`, `ttl_s`.
      # @return [Hash]
      def definition_info(definition)
        code, json = Native.read_text do |*buffer|
          Native.labkit_definition_info(handle, definition.index, *buffer)
        end
        code.zero? ? JSON.parse(json) : {}
      end

      # Records a whole payload of the wire format.
      # @param payload [String] JSON
      # @return [Boolean] whether it was taken
      def record(payload)
        code = Native.labkit_checkpoint_record(handle, payload, payload.bytesize)
        reporter.failed(code) { "record" } unless code.zero?
        code.zero?
      end

      # From now on requests carry this bearer token; nil for none.
      def token=(token)
        token = Text.of(token)
        code = Native.labkit_client_set_token(handle, token, token.to_s.bytesize)
        reporter.failed(code) { "token" } unless code.zero?
      end

      # Waits until all that was recorded before is settled. Other threads run
      # meanwhile. Ruby sees signals only between the library's waits, so it
      # waits several times, ever longer: an interrupt takes at most as long
      # again as the flush has lasted.
      # @param timeout_ms [Integer]
      # @return [Boolean] false: some of it still waits
      def flush(timeout_ms)
        left = timeout_ms
        wait = FIRST_WAIT_MS
        loop do
          wait = [wait, left].min
          return true if waited?(Native.labkit_client_flush(handle, wait), "flush")

          left -= wait
          return false unless left.positive?

          wait *= 2
        end
      end

      # Stops recording and sends what is there. Blocks this thread for
      # `timeout_ms` and some 50 ms at most, also against a tracker that never
      # answers. A second call does nothing. Only its last second cannot be
      # interrupted: what comes before is a flush.
      # @return [Boolean] false: something had to be dropped
      def shutdown(timeout_ms)
        flush(timeout_ms - LAST_WAIT_MS) if timeout_ms > LAST_WAIT_MS
        done = waited?(Native.labkit_client_shutdown(handle, [timeout_ms, LAST_WAIT_MS].min), "shutdown")
        drain_log
        done
      end

      # Gives the handle back; experiences of this client are dead then.
      def free
        Native.labkit_client_free(handle)
      end

      # @return [Stats]
      def stats
        buffer = [STATS_BYTES].pack("J").ljust(STATS_BYTES, "\0")
        code = Native.labkit_client_stats(handle, buffer)
        reporter.failed(code) { "stats" } unless code.zero?
        Stats.new(*buffer.unpack("J*").drop(1))
      end

      # Hands the library's own messages to the logger: bad definitions, a
      # tracker that went away, rejections.
      # @return [Array<String>] them
      def drain_log
        _, text = Native.read_text { |*buffer| Native.labkit_client_drain_log(handle, *buffer) }
        text.lines(chomp: true).each { |line| reporter.warn(line) }
      end

      private

      def connect(configuration)
        document = document(configuration)
        error = "\0" * 1024
        handle = "\0" * 8
        code = Native.labkit_client_new(document, document.bytesize, error, error.bytesize, handle)
        return handle.unpack1("Q") if code.zero?

        refuse(Native.status(code), error.unpack1("Z*").force_encoding(Encoding::UTF_8))
      end

      def document(configuration)
        configuration.document
      rescue JSON::GeneratorError, TypeError => e
        refuse(:invalid_config, "options: #{e.message}")
      end

      # The library speaks of its own keys; here one of them has another name.
      def refuse(status, message)
        message = message.sub("`definitions`", "`registry_path`")
        raise UserExperienceSli.error_for(status, message)
      end

      def look_up(id)
        name = Text.of(id).to_s
        index = "\0" * 4
        code = Native.labkit_definition_lookup(handle, name, name.bytesize, index)
        unless code.zero?
          yield code
          return
        end
        @definitions[id] = Definition.new(index.unpack1("L"), name.dup.freeze, self).freeze
      end

      def waited?(code, call)
        return true if code.zero?

        reporter.failed(code) { call } unless Native.status(code) == :deadline_exceeded
        false
      end
    end
  end
end
