# frozen_string_literal: true

module Labkit
  module Core
    module Middleware
      # For Rack, which is not needed to load this: a scope of its own for each
      # request, so that what one leaves unfinished never meets the next on the
      # same thread. With peers that the application trusts, experiences come
      # and go in the header X-Labkit-User-Experiences: those of the request go
      # on here, and those that are active when the application has answered
      # are told to the peer, to go on there.
      #
      #   use Labkit::Core::Middleware::Rack, trusted: ->(env) { env["REMOTE_ADDR"] == "10.0.0.7" }
      class Rack
        REQUEST_HEADER = "HTTP_X_LABKIT_USER_EXPERIENCES"
        # In small letters, as Rack 3 demands.
        RESPONSE_HEADER = Carrier::HEADER.downcase.freeze
        # Set by Rails from X-Request-Id, checked and shortened.
        REQUEST_ID = "action_dispatch.request_id"
        # What the tracker is told of the hand-over, in every language.
        CATEGORY = "http_request_started"
        private_constant :REQUEST_HEADER, :RESPONSE_HEADER, :REQUEST_ID, :CATEGORY

        # @param trusted [Boolean, #call] whether the peer may hand over
        #   experiences, and be told of them; a callable gets the Rack
        #   environment. Who may, can write into other people's experiences.
        def initialize(app, trusted: false)
          @app = app
          @trusted = trusted
        end

        def call(env)
          UserExperienceSli.isolate(request_correlation_id: env[REQUEST_ID]) do
            next @app.call(env) unless trusted?(env)

            header = env[REQUEST_HEADER]
            UserExperienceSli.rehydrate(Carrier.from_header(header), category: CATEGORY) if header
            @app.call(env).tap { |response| tell(response) }
          end
        end

        private

        # Nobody is trusted by a callable that fails.
        def trusted?(env)
          @trusted.respond_to?(:call) ? @trusted.call(env) : @trusted == true
        rescue StandardError => e
          client = UserExperienceSli.current_client
          client&.reporter&.problem(:invalid_argument, "trusted: #{e.message} (#{e.class})")
          false
        end

        # Headers that may not be changed are the application's business.
        def tell(response)
          headers = response[1]
          header = UserExperienceSli.carrier_header
          headers[RESPONSE_HEADER] = header if header && headers.respond_to?(:[]=) && !headers.frozen?
        end
      end
    end
  end
end
