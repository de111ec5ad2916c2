# frozen_string_literal: true

require "json"
require "time"

module Labkit
  module Core
    # One run of a user experience. Every call returns the object itself, so
    # that calls chain, and is a silent no-op on one that never started or is
    # over. One thread at a time may use it.
    #
    # The library keeps its state in a plain buffer, which means the same in a
    # fork child.
    class Experience
      include Block

      # @return [Definition]
      attr_reader :definition

      # Starts nothing yet. With a fourth variable Ruby would give each object
      # a table for them, on the heap.
      def initialize(definition)
        @definition = definition
        @native = Native::NEVER_STARTED
        @scope = nil # until it has begun
      end

      # Starts it in the current context: sends `start`. With a block, yields
      # itself, ends as the block is left, and returns the block's result. One
      # that has started before is not started again.
      #
      # @param extra [Hash] fields of the checkpoint: scalars; with a block, of
      #   its end, too. `correlation_id:` is none of them, but a ULID or 32 hex
      #   digits instead of a fresh one.
      # @return [self, Object]
      def start(extra = Meta::NONE, &)
        return block_given? ? yield(self) : self if @scope

        correlation_id, extra = correlation(extra) unless extra.empty?
        scope = Context.scope(@definition.client)
        scope.restart(@definition.index) unless block_given? || scope.empty?
        meta = meta(extra, scope)
        native_start(correlation_id, meta, extra)
        earlier = (@scope = scope).enter(self)
        return self unless block_given?

        within_block(meta, earlier, &)
      end

      # Continues it: sends `intermediate`. With a block, ends as that is left.
      # @return [self, Object]
      def resume(checkpoint_category: "resume", **extra, &block)
        resume_with(checkpoint_category, extra, &block)
      end

      # Sends `intermediate`.
      # @param category [String, Symbol, nil] what happened,
      #   `^[a-z0-9_]{1,64}$`; GitLab's `checkpoint_action:` says the same
      # @return [self]
      def checkpoint(category = nil, **extra)
        category ||= extra.delete(:checkpoint_action) unless extra.empty?
        category = Text.of(category) if category
        meta = meta(extra)
        code = Native.labkit_experience_checkpoint(
          @native, category, category ? category.bytesize : 0, meta, meta ? meta.bytesize : 0
        )
        failed(code, :checkpoint, extra) unless code.zero?
        self
      end

      # Marks it as failed; its end will say so.
      # @param error [Exception, String, nil]
      # @return [self]
      def error!(error = nil)
        reason = Text.reason(error)
        code = Native.labkit_experience_error(@native, reason, size(reason))
        failed(code, :error!) unless code.zero?
        self
      end

      # Marks its end as expected, no failure of ours: a merge conflict, say.
      # @param reason [Exception, String, Symbol, nil]
      # @return [self]
      def handled!(reason = nil)
        reason = Text.reason(reason)
        code = Native.labkit_experience_handled(@native, reason, size(reason))
        failed(code, :handled!) unless code.zero?
        self
      end

      # Sends `end`, with the outcome that was marked, or success.
      # @param extra [Hash] fields of the checkpoint: scalars
      # @return [self]
      def complete(extra = Meta::NONE)
        meta = meta(extra)
        ended(Native.labkit_experience_complete(@native, meta, meta ? meta.bytesize : 0), :complete, extra)
      end

      # Ends it as one that turned out not to be one: it counts nowhere.
      # @return [self]
      def discard!(reason = nil, **extra)
        reason = Text.reason(reason)
        meta = meta(extra)
        code = Native.labkit_experience_discard(@native, reason, size(reason), meta, size(meta))
        ended(code, :discard!, extra)
      end

      # Whether it has started and not ended.
      def active?
        Native.labkit_experience_is_active(@native)
      end

      # Whether it is marked as failed.
      def has_error? # rubocop:disable Naming/PredicateName -- GitLab's name
        info["outcome"] == "error"
      end

      # @return [String, nil] nil before the start
      def correlation_id
        @correlation_id ||= info["correlation_id"]
      end

      # What takes it to another process.
      # @return [Hash] `{ id => { "start_time" => ..., "correlation_id" => ... } }`,
      #   empty if it is not active
      def carrier
        code, json = Native.read_text(256) do |buffer, capacity, length|
          Native.labkit_experience_carrier(@native, buffer, capacity, length)
        end
        return JSON.parse(json) if code.zero?

        failed(code, :carrier)
        {}
      end

      # GitLab's name for it.
      alias to_h carrier

      # Continues what a job's payload says of this experience.
      # @param entry [Hash] `start_time`, `correlation_id`
      # @return [self]
      def rehydrate(entry)
        take_up(JSON.generate(id => entry), nil, nil, {})
      end

      # @return [Time, nil] nil before the start
      def start_time
        text = info["start_time"]
        Time.iso8601(text) if text
      end

      # @return [String] the definition's id
      def id
        definition.id
      end

      def inspect
        "#<#{self.class} #{id} #{correlation_id || "not started"}>"
      end

      # @!group For Labkit::UserExperienceSli

      # @private
      def resume_with(category, extra, &)
        checkpoint(category, **extra)
        return self unless block_given?

        within_block(meta(extra), &)
      end

      # Continues in the current context what a carrier brought.
      # @private
      def take_up(carrier, job, category, extra)
        scope = Context.scope(@definition.client)
        native_resume(carrier, Text.of(job), Text.of(category), meta(extra, scope), extra)
        @scope = scope
        scope.enter(self) if active?
        self
      end

      # Ends it as its block was left, or because another takes its place; the
      # library leaves a fork parent's alone.
      # @private
      # @param exit [Integer] Native::EXIT_*
      def leave(exit, reason = nil, meta = nil, earlier = nil)
        code = Native.labkit_experience_leave_with(
          @native, exit, reason, reason ? reason.bytesize : 0, meta, meta ? meta.bytesize : 0
        )
        failed(code, :leave) unless code.zero?
        @scope&.restore(self, earlier)
      end

      private

      # @return [Array(String, Hash)] the caller's id for it, and the fields
      def correlation(extra)
        return [nil, extra] unless extra.key?(:correlation_id)

        [Text.of(extra[:correlation_id]), extra.except(:correlation_id)]
      end

      def native_start(correlation_id, meta, extra)
        code = Native.labkit_experience_start(
          @definition.client.handle, @definition.index, correlation_id, correlation_id ? correlation_id.bytesize : 0,
          meta, meta ? meta.bytesize : 0, @native = "\0" * Native::EXPERIENCE_BYTES
        )
        failed(code, :start, extra) unless code.zero?
      end

      def native_resume(carrier, job, category, meta, extra)
        code = Native.labkit_experience_resume(
          @definition.client.handle, @definition.index, carrier, size(carrier), job, size(job),
          category, size(category), meta, size(meta), @native = "\0" * Native::EXPERIENCE_BYTES
        )
        failed(code, :rehydrate, extra) unless code.zero?
      end

      def ended(code, call, extra)
        failed(code, call, extra) unless code.zero?
        @scope&.remove(self)
        self
      end

      # With what every checkpoint of the scope carries. Most have nothing.
      def meta(extra, scope = @scope)
        common = scope&.extra
        if common
          Meta.encode(common.merge(extra))
        elsif !extra.empty?
          Meta.encode(extra)
        end
      end

      def size(text)
        text ? text.bytesize : 0
      end

      def failed(code, call, extra = nil)
        @definition.client.reporter.failed(code) do
          extra.nil? || extra.empty? ? "#{id} #{call}" : "#{id} #{call} (#{extra.keys.join(", ")})"
        end
      end

      def info
        code, json = Native.read_text(512) do |buffer, capacity, length|
          Native.labkit_experience_info(@native, buffer, capacity, length)
        end
        code.zero? ? JSON.parse(json) : {}
      end
    end
  end
end
