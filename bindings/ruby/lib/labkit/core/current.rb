# frozen_string_literal: true

module Labkit
  module UserExperienceSli
    # What gitlab-labkit's own middlewares ask of the class of this name, which
    # this gem takes the place of: the active experiences of this context.
    # New code has {UserExperienceSli.carrier}, `rehydrate` and `isolate`.
    module Current
      # Where the carrier lies in a job's payload.
      AGGREGATION_KEY = Core::Carrier::JOB_KEY

      class << self
        # @return [Hash{String => Core::Experience}] a copy
        def active_experiences
          client = UserExperienceSli.current_client
          client ? Core::Context.scope(client).to_a.to_h { |experience| [experience.id, experience] } : {}
        end

        # Continues what a job brought.
        # @param data the carrier's entry: `start_time`, `correlation_id`
        # @return [Core::Experience]
        def rehydrate(id, **data)
          UserExperienceSli.rehydrate({ id.to_s => data }, only: id).first || UserExperienceSli.get(id)
        end

        # Forgets what is active in this context. Inside of a scope it leaves
        # the outer ones alone; ActiveSupport's own resets change nothing here.
        def reset
          client = UserExperienceSli.current_client
          Core::Context.reset(client) if client
        end
      end
    end
  end
end
