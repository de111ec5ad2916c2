# frozen_string_literal: true

module Labkit
  module Core
    # Ruby's objects as the bytes that the library takes. None of these
    # raises, whatever the object's own methods do.
    module Text
      # Bytes in these are passed as they are: the library replaces what is
      # no UTF-8.
      AS_IT_IS = [Encoding::UTF_8, Encoding::US_ASCII, Encoding::ASCII_8BIT].freeze
      private_constant :AS_IT_IS

      # @return [String, nil] UTF-8, if the object's text can be had as such
      def self.of(object)
        case object
        when String then utf8(object)
        when Symbol then object.name
        when nil then nil
        else utf8(object.to_s)
        end
      rescue StandardError
        nil
      end

      # Why something failed: an exception's message, or the text itself.
      def self.reason(object)
        return of(object) unless object.is_a?(Exception)

        begin
          of(object.message)
        rescue StandardError
          object.class.name
        end
      end

      # @return [Array(String, Integer)] a text and its length, as the library
      #   takes them
      def self.sized(text)
        [text, text ? text.bytesize : 0]
      end

      def self.utf8(text)
        return text if AS_IT_IS.include?(text.encoding)

        text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
      end
      private_class_method :utf8
    end
  end
end
