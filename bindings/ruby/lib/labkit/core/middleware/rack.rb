# frozen_string_literal: true

module Labkit
  module Core
    module Middleware
      # For Rack, which is not needed to load this: a scope of its own for each
      # request, so that what one leaves unfinished never meets the next on the
      # same thread; and, from peers that the application trusts, the
      # experiences in the header X-Labkit-User-Experiences go on.
      #
      #   use Labkit::Core::Middleware::Rack, trusted: ->(env) { env["REMOTE_ADDR"] == "10.0.0.7" }
      class Rack
        HEADER = "HTTP_X_LABKIT_USER_EXPERIENCES"
        # Set by Rails from X-Request-Id, checked and shortened.
        REQUEST_ID = "action_dispatch.request_id"
        # What the tracker is told of the hand-over, in every language.
        CATEGORY = "http_request_started"
        private_constant :HEADER, :REQUEST_ID, :CATEGORY

        # @param trusted [Boolean, #call] whether to believe the header; a
        #   callable gets the Rack environment
        def initialize(app, trusted: false)
          @app = app
          @trusted = trusted
        end

        def call(env)
          UserExperienceSli.isolate(request_correlation_id: env[REQUEST_ID]) do
            header = env[HEADER]
            UserExperienceSli.rehydrate(Carrier.from_header(header), category: CATEGORY) if header && trusted?(env)
            @app.call(env)
          end
        end

        private

        def trusted?(env)
          @trusted.respond_to?(:call) ? @trusted.call(env) : @trusted == true
        end
      end
    end
  end
end
