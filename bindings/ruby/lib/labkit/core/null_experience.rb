# frozen_string_literal: true

require "singleton"

module Labkit
  module Core
    # Stands in where there is nothing to record: outside development and test,
    # for an id that no definition has, or without a client. Runs the user's
    # block and returns its result; everything else does nothing.
    class NullExperience
      include Singleton

      def start(*)
        block_given? ? yield(self) : self
      end
      alias resume start
      # @private
      alias resume_with start

      def checkpoint(_category = nil, **)
        self
      end

      def error!(_error = nil)
        self
      end

      def handled!(_reason = nil)
        self
      end

      def complete(*)
        self
      end

      def discard!(_reason = nil, **)
        self
      end

      def active?
        false
      end

      def has_error? # rubocop:disable Naming/PredicateName -- GitLab's name
        false
      end

      def correlation_id
        nil
      end

      def carrier
        {}
      end
      alias to_h carrier

      def rehydrate(_entry = nil)
        self
      end

      def start_time
        nil
      end

      def id
        nil
      end
    end
  end
end

# All ractors answer with it.
Ractor.make_shareable(Labkit::Core::NullExperience.instance)
