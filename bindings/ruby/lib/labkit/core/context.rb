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
        earlier = @active[experience.definition.index]
        @active[experience.definition.index] = experience
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

      # @return [Array<Experience>] in the order of their starts
      def to_a
        @active.each_value.select(&:active?)
      end
    end
  end
end
