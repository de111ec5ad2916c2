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

    # The active experiences of one scope, at most one for each definition. There
    # are seldom more than two: a list costs each start and end less than half of
    # what a Hash does.
    class Scope
      # @return [Client]
      attr_reader :client
      # @return [Hash, nil] fields that every checkpoint of this scope gets
      attr_reader :extra

      def initialize(client, request_correlation_id = nil)
        @client = client
        @active = [] # in the order of their starts; some may be over
        @extra = { request_correlation_id: }.freeze if request_correlation_id
      end

      # @param definition [Integer] its index
      # @return [Experience, nil]
      def [](definition)
        place = place_of(definition)
        experience = @active[place] if place
        experience if experience&.active?
      end

      # Ends the one that is active: another takes its place, and is no block.
      # @param definition [Integer] its index
      def restart(definition)
        self[definition]&.leave(Native::EXIT_RESTARTED)
      end

      # @return [Experience, nil] the one whose place it takes
      def enter(experience)
        place = place_of(experience.definition.index) unless @active.empty?
        earlier = @active[place] if place
        @active[place || @active.size] = experience
        earlier
      end

      # Takes a finished experience out.
      def remove(experience)
        @active.delete(experience)
      end

      # Ends what {#enter} began: the outer experience of the same definition
      # is the active one again.
      def restore(experience, earlier)
        remove(experience)
        enter(earlier) if earlier&.active?
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
        @active.select(&:active?)
      end

      private

      def place_of(definition)
        @active.index { |experience| experience.definition.index == definition }
      end
    end
  end
end
