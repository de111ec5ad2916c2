# frozen_string_literal: true

require "active_support/ordered_options"
require "rails/railtie"

module Labkit
  module Core
    # In a Rails application: settings, a scope for each request and job, and
    # carriers in jobs, with nothing to be written by hand. In
    # config/application.rb or an environment's file:
    #
    #   config.labkit.endpoint = "http://127.0.0.1:8480"
    #   config.labkit.trusted = ->(env) { env["REMOTE_ADDR"].start_with?("10.") }
    #
    # Every setting of {Configuration} can be set so, and beside them:
    #
    # - `trusted` (false): peers of the Rack middleware, see there
    # - `rack`, `active_job`, `sidekiq` (true): whether to install what
    #   belongs to these. Beside gitlab-labkit, whose own middlewares hand
    #   experiences over to Sidekiq's jobs, `sidekiq` is false.
    class Railtie < ::Rails::Railtie
      OWN = %i[trusted rack active_job sidekiq].freeze
      private_constant :OWN

      # Around each request, job or console command that Rails runs: what one
      # leaves unfinished is not active in the next.
      module Executor
        def self.run
          client = UserExperienceSli.current_client if UserExperienceSli.configured?
          Context.enter(client) if client
        end

        def self.complete(scopes)
          Context.leave(scopes) if scopes
        end
      end

      config.labkit = ActiveSupport::OrderedOptions.new

      # An initializer of the application may say otherwise.
      initializer "labkit.settings", before: :load_config_initializers do |app|
        UserExperienceSli.configuration.tap do |settings|
          settings.strict = ::Rails.env.development? || ::Rails.env.test?
          settings.logger = ::Rails.logger
          settings.type ||= defined?(::Sidekiq::CLI) ? "sidekiq" : "web"
          app.config.labkit.except(*OWN).each { |name, value| settings.public_send(:"#{name}=", value) }
          settings.registry_path = app.root.join(settings.registry_path).to_s
        end
      end

      initializer "labkit.rack" do |app|
        options = app.config.labkit
        unless options.rack == false
          app.middleware.insert_after(
            ActionDispatch::RequestId, Middleware::Rack, trusted: options.trusted || false
          )
        end
        app.executor.register_hook(Executor)
      end

      initializer "labkit.active_job" do |app|
        unless app.config.labkit.active_job == false
          ActiveSupport.on_load(:active_job) { include Middleware::ActiveJob }
        end
      end

      # Before the fork of a server that preloads, after all initializers: some
      # of them load Sidekiq, or configure this by themselves.
      config.after_initialize do |app|
        wanted = app.config.labkit.fetch(:sidekiq, !Railtie.gitlab_labkit?)
        Middleware::Sidekiq.install if wanted && defined?(::Sidekiq)
        # Without an endpoint the first experience will say so, not the boot.
        UserExperienceSli.configure if UserExperienceSli.configuration.endpoint && !UserExperienceSli.configured?
      end

      # Whether its middlewares are there, loaded or not.
      def self.gitlab_labkit?
        Labkit.const_defined?(:Middleware, false)
      end
    end
  end
end
