# frozen_string_literal: true

module Labkit
  module UserExperienceSli
    # What may be raised, in development and test only (`strict`); elsewhere
    # the same problems are logged, at most once a minute each.
    #
    #   StandardError
    #   └── UserExperienceError        #status, a Symbol such as :reserved_key
    #       ├── ConfigurationError     a setting, a definition file, a directory
    #       ├── NotFoundError          no definition has this id
    #       ├── ArgumentError          an argument is not what it must be
    #       │   ├── ReservedKeywordError   an extra has a name that the log line owns
    #       │   ├── InvalidCheckpointError meta or a payload is not what the wire asks for
    #       │   └── InvalidCarrierError    a carrier cannot be read
    #       ├── TestOnlyError          only the memory transport does this
    #       ├── RactorError            only the main Ractor records
    #       └── LibraryError           everything else: a stale handle, a caught panic
    class UserExperienceError < StandardError
      # The name of the library's status, such as `:unknown_experience`.
      # @return [Symbol]
      attr_reader :status

      def initialize(message = nil, status: :invalid_argument)
        super(message)
        @status = status
      end
    end

    class ConfigurationError < UserExperienceError; end
    class NotFoundError < UserExperienceError; end
    class ArgumentError < UserExperienceError; end
    class ReservedKeywordError < ArgumentError; end
    class InvalidCheckpointError < ArgumentError; end
    class InvalidCarrierError < ArgumentError; end
    class TestOnlyError < UserExperienceError; end
    class RactorError < UserExperienceError; end
    class LibraryError < UserExperienceError; end

    # Class of the error for a status; LibraryError for what is not listed.
    ERRORS = {
      null_pointer: ArgumentError,
      invalid_utf8: ArgumentError,
      too_long: ArgumentError,
      invalid_argument: ArgumentError,
      invalid_config: ConfigurationError,
      invalid_checkpoint: InvalidCheckpointError,
      reserved_key: ReservedKeywordError,
      invalid_carrier: InvalidCarrierError,
      test_only: TestOnlyError,
      unsupported_ractor: RactorError,
      too_many_clients: ConfigurationError,
      unknown_experience: NotFoundError,
      invalid_definition: ConfigurationError,
      io: ConfigurationError
    }.freeze
    private_constant :ERRORS

    # @param status [Symbol]
    # @param message [String]
    # @return [UserExperienceError] not raised yet
    def self.error_for(status, message)
      ERRORS.fetch(status, LibraryError).new(message, status:)
    end
  end
end
