# frozen_string_literal: true

require "json"

module Labkit
  module Core
    # Several experiences on their way to another process: one JSON object
    # with the carriers of all.
    module Carrier
      # Where it lies in a job's payload.
      JOB_KEY = "labkit_user_experiences"
      # The HTTP header: the JSON as base64url without padding.
      HEADER = "X-Labkit-User-Experiences"
      HEADER_BYTES = 4096

      class << self
        # @param scope [Scope]
        # @return [Hash]
        def collect(scope)
          scope.to_a.each_with_object({}) { |experience, all| all.update(experience.carrier) }
        end

        # What of a carrier is defined here, with the JSON that the library
        # takes for each: a bad entry spoils only itself, and many together are
        # not too long. Not knowing an id is no mistake: it may be another
        # service's.
        # @param carrier [Hash, String]
        # @param only [Symbol, String, nil] no other id than this
        # @return [Array(Definition, String)]
        def entries(client, carrier, only = nil)
          all = read(client, carrier)
          all = all.slice(only.to_s) if only
          all.filter_map do |id, entry|
            definition = client.definition_if_known(id)
            [definition, JSON.generate(id => entry)] if definition
          end
        end

        # @param carrier [Hash]
        # @return [String, nil] nil if there is nothing to say, or too much
        def to_header(carrier)
          return if carrier.empty?

          header = [JSON.generate(carrier)].pack("m0").tr("+/", "-_").delete("=")
          header if header.bytesize <= HEADER_BYTES
        end

        # @param header [String]
        # @return [String] the JSON; empty if the header is none of ours
        def from_header(header)
          return "" if header.bytesize > HEADER_BYTES

          header.tr("-_", "+/").ljust((header.bytesize + 3) / 4 * 4, "=")
                .unpack1("m0").force_encoding(Encoding::UTF_8)
        rescue ::ArgumentError
          ""
        end

        private

        def read(client, carrier)
          carrier = JSON.parse(carrier) if carrier.is_a?(String)
          return carrier.transform_keys(&:to_s) if carrier.is_a?(Hash)

          refuse(client, "expected an object, not #{carrier.class}")
        rescue JSON::JSONError, EncodingError => e
          refuse(client, e.message)
        end

        def refuse(client, detail)
          client.reporter.problem(:invalid_carrier, "the carrier cannot be read: #{detail}")
          {}
        end
      end
    end
  end
end
