# frozen_string_literal: true

require "json"

module Labkit
  module Core
    # The extra fields of a call as JSON text. Which of them may travel is the
    # library's business; what JSON cannot say (NaN, an object whose `to_s`
    # raises) is written as an empty object, which the library refuses in
    # development and leaves out and counts elsewhere, as with any value that
    # is not a scalar.
    module Meta
      # The fields of a call without any. Where speed counts they are an optional
      # Hash: for `**extra` Ruby makes an empty one for each call.
      NONE = {}.freeze
      NOT_A_SCALAR = {}.freeze
      private_constant :NOT_A_SCALAR

      class << self
        # Never raises.
        # @param extra [Hash]
        # @return [String, nil] nil for no fields
        def encode(extra)
          (@generator ||= generator).generate(extra) unless extra.empty?
        rescue StandardError
          @generator = nil # it still counts how deep it was
          JSON.generate(extra.to_h { |key, value| [readable(key), possible(value)] })
        end

        private

        # JSON.generate makes one for each call, which takes as long as three
        # fields do. One serves all threads, as it keeps no text. Libraries that
        # take the place of `json` may have none.
        def generator
          state = JSON.state.new
          state.respond_to?(:generate) ? state : JSON
        end

        # The value, or what stands for it.
        def possible(value)
          JSON.generate(value)
          value
        rescue StandardError
          value.is_a?(String) ? readable(value) : NOT_A_SCALAR
        end

        # Bytes are taken for UTF-8, like any other text of a call.
        def readable(object)
          text = Text.of(object).to_s
          text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::ASCII_8BIT
          text.scrub
        end
      end
    end
  end
end
