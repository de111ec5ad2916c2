# frozen_string_literal: true

# For Minitest, what labkit/rspec/matchers is for RSpec:
#
#   class OrdersTest < Minitest::Test # or ActiveSupport::TestCase
#     include Labkit::Minitest::Assertions
#
#     def test_an_order_is_an_experience
#       assert_complete_user_experience(:create_order) { post "/orders" }
#       refute_start_user_experience(:create_order) { get "/orders" }
#     end
#   end
require "labkit/core"
require "labkit/core/expectation"
require "minitest/assertions"

module Labkit
  module Minitest
    # assert_ and refute_ with start_, checkpoint_, resume_, complete_ and
    # observed_user_experience. The arguments of the former are those of
    # {Core::Expectation}; all need a block, and return its result.
    module Assertions
      def before_setup
        super
        Core::Expectation.begin
      end

      Core::Expectation::VERBS.each do |verb|
        define_method(:"assert_#{verb}_user_experience") do |id, **how, &block|
          expectation = Core::Expectation.new(verb, id, **how)
          result = nil
          met = expectation.met_by?(-> { result = block.call })
          assert(met, -> { expectation.failure })
          result
        end

        define_method(:"refute_#{verb}_user_experience") do |id, &block|
          expectation = Core::Expectation.new(verb, id)
          result = nil
          unmet = expectation.unmet_by?(-> { result = block.call })
          assert(unmet, -> { expectation.failure_when_negated })
          result
        end
      end
    end
  end
end
