# frozen_string_literal: true

module Labkit
  module Core
    # Which experiences are active here: in this fiber, and in the innermost
    # scope that it entered.
    module Context
      # Fiber-local, in spite of the look of it: Thread#[] is.
      KEY = :labkit_user_experiences
      private_constant :KEY

      # The scope of this fiber; one that belonged to another client counts
      # as none.
      # @return [Scope]
      def self.scope(client)
        scope = Thread.current[KEY]
        return scope if scope && scope.client.equal?(client)

        Thread.current[KEY] = Scope.new(client)
      end

      # Runs the block in a scope of its own, and restores the outer one.
      def self.isolate(client, request_correlation_id = nil)
        outer = Thread.current[KEY]
        Thread.current[KEY] = Scope.new(client, request_correlation_id)
        yield
      ensure
        Thread.current[KEY] = outer
      end

      # {isolate} in two parts, for those who are told of a beginning and an
      # end, such as Rails' executor.
      # @return [Array] for {leave}
      def self.enter(client)
        outer = Thread.current[KEY]
        [Thread.current[KEY] = Scope.new(client), outer]
      end

      # Restores the outer scope; does nothing in another fiber than the one
      # that entered, as when a response is closed elsewhere.
      def self.leave((inner, outer))
        Thread.current[KEY] = outer if inner.equal?(Thread.current[KEY])
      end

      # Empties the innermost scope.
      def self.reset(client)
        scope(client).clear
      end
    end

    # The active experiences of one scope, at most one for each definition.
    class Scope
      NO_EXTRA = {}.freeze
      private_constant :NO_EXTRA

      # @return [Client]
      attr_reader :client
      # @return [Hash] fields that every checkpoint of this scope gets
      attr_reader :extra

      def initialize(client, request_correlation_id = nil)
        @client = client
        @active = {}
        @extra = request_correlation_id ? { request_correlation_id: }.freeze : NO_EXTRA
      end

      # @param definition [Integer] its index
      # @return [Experience, nil]
      def [](definition)
        experience = @active[definition]
        experience if experience&.active?
      end

      # @return [Experience, nil] the one whose place it takes
      def enter(experience)
        index = experience.definition.index
        earlier = @active[index]
        @active[index] = experience
        earlier
      end

      # Takes a finished experience out.
      def remove(experience)
        index = experience.definition.index
        @active.delete(index) if @active[index].equal?(experience)
      end

      # Ends what {#enter} began: the outer experience of the same definition
      # is the active one again.
      def restore(experience, earlier)
        remove(experience)
        @active[earlier.definition.index] = earlier if earlier&.active?
      end

      # Whether nothing was entered; what is in it may be over.
      def empty?
        @active.empty?
      end

      def clear
        @active.clear
      end

      # @return [Array<Experience>] in the order of their starts
      def to_a
        @active.each_value.select(&:active?)
      end
    end
  end
end
