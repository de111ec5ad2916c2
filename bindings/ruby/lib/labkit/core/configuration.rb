# frozen_string_literal: true

require "json"
require "logger"

module Labkit
  module Core
    # The settings of a client. What is not set comes from the environment:
    # LABKIT_ENDPOINT, LABKIT_TYPE, LABKIT_TOKEN, LABKIT_REGISTRY_PATH.
    class Configuration
      # GitLab's place for definitions, from the application's root.
      REGISTRY_PATH = "config/user_experience_slis"
      STRICT_ENVIRONMENTS = %w[development test].freeze
      # What nobody configured sends nothing in the test environment.
      TEST_DEFAULTS = { type: "test", transport: "memory" }.freeze
      private_constant :REGISTRY_PATH, :STRICT_ENVIRONMENTS, :TEST_DEFAULTS

      # @return [String] directory of the definition files; relative to the
      #   working directory
      attr_accessor :registry_path
      # @return [String, nil] the tracker, "http://host:port"
      attr_accessor :endpoint
      # @return [String, nil] this service, such as "web" or "sidekiq"
      attr_accessor :type
      # @return [String, nil] bearer token
      attr_accessor :token
      # @return [Boolean, nil] whether mistakes raise; nil: in the development
      #   and test environments (RAILS_ENV or RACK_ENV)
      attr_accessor :strict
      # @return [String, Symbol, nil] what leaving a block by `throw`, `break`
      #   or `return` means: "handled" (default) or "error"
      attr_accessor :non_local_exit
      # @return [String, Symbol, nil] "http", or "memory" for tests: the
      #   default in the test environment unless an endpoint is set
      attr_accessor :transport
      # @return [#warn, nil] for this library's own problems; nil for silence
      attr_accessor :logger
      # @return [Hash] further keys of the configuration in labkit.h, such as
      #   `{ spool_dir: "/var/spool/labkit", batch_age_ms: 500 }`
      attr_accessor :options

      # GitLab's settings for what is in the library here: the definitions'
      # schema. They are taken, and have no effect.
      attr_accessor :ref_resolver_timeout, :feature_category_schema_path

      def initialize(env = ENV)
        @env = env
        @registry_path = setting("LABKIT_REGISTRY_PATH") || REGISTRY_PATH
        @endpoint = setting("LABKIT_ENDPOINT")
        @type = setting("LABKIT_TYPE")
        @token = setting("LABKIT_TOKEN")
        @logger = Logger.new($stderr)
        @options = {}
      end

      def strict?
        return strict unless strict.nil?

        STRICT_ENVIRONMENTS.include?(environment)
      end

      # The JSON document for labkit_client_new().
      def document
        settings = {
          definitions: File.expand_path(registry_path.to_s), type:, endpoint:, token:,
          strict: strict?, non_local_exit:, transport:,
          sdk: { name: "labkit-ruby", version: VERSION }
        }
        JSON.generate({ **test_defaults, **settings.compact }.merge(options))
      end

      private

      def environment
        setting("RAILS_ENV") || setting("RACK_ENV")
      end

      def test_defaults
        environment == "test" && endpoint.nil? ? TEST_DEFAULTS : {}
      end

      def setting(name)
        value = @env[name]
        value unless value.nil? || value.empty?
      end
    end
  end
end
