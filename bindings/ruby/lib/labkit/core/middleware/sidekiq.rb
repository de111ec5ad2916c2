# frozen_string_literal: true

module Labkit
  module Core
    module Middleware
      # For Sidekiq, which is not needed to load this: the middlewares are
      # plain classes of the shape that it calls.
      module Sidekiq
        # Where jobs are enqueued: says so on every active experience, and
        # sends the carrier along in the job.
        class Client
          CATEGORY = "sidekiq_job_scheduled"
          private_constant :CATEGORY

          def call(_worker, job, _queue, _redis_pool = nil)
            carrier = UserExperienceSli.hand_over(CATEGORY)
            # A job that is enqueued again, as for a retry, keeps what it has.
            job[Carrier::JOB_KEY] = carrier unless carrier.empty?
            yield
          end
        end

        # Around the job: a scope of its own, in which the experiences that the
        # job brought go on. Completes nothing, and restores the outer scope,
        # which an inline job shares with its caller.
        class Server
          CATEGORY = "sidekiq_job_started"
          private_constant :CATEGORY

          def call(_worker, job, _queue)
            UserExperienceSli.isolate(request_correlation_id: job["correlation_id"]) do
              carrier = job[Carrier::JOB_KEY]
              if carrier
                UserExperienceSli.rehydrate(
                  carrier, job: job["correlation_id"] || job["jid"], category: CATEGORY
                )
              end
              yield
            end
          end
        end
      end
    end
  end
end
