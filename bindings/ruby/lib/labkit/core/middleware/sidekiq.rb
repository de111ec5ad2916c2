# frozen_string_literal: true

module Labkit
  module Core
    module Middleware
      # For Sidekiq, which is not needed to load this: the middlewares are
      # plain classes of the shape that it calls.
      module Sidekiq
        # Adds both to Sidekiq's chains, once however often it is called. The
        # server's is the first of its chain, so that what the others start
        # belongs to the job.
        def self.install
          ::Sidekiq.configure_client do |config|
            config.client_middleware { |chain| chain.add(Client) }
          end
          ::Sidekiq.configure_server do |config|
            config.client_middleware { |chain| chain.add(Client) }
            config.server_middleware { |chain| chain.prepend(Server) }
          end
        end

        # Whether an ActiveJob inside carries its experiences itself.
        def self.carried_within?(job)
          job.key?("wrapped") && job["args"].is_a?(Array) && job["args"].first.is_a?(Hash) &&
            job["args"].first.key?(Carrier::JOB_KEY)
        end

        # Where jobs are enqueued: says so on every active experience, and
        # sends the carrier along in the job.
        class Client
          CATEGORY = "sidekiq_job_scheduled"
          private_constant :CATEGORY

          def call(worker, job, _queue, _redis_pool = nil)
            unless Sidekiq.carried_within?(job)
              carrier = UserExperienceSli.hand_over(CATEGORY, worker: worker.to_s)
              # A job that is enqueued again, as for a retry, keeps what it has.
              job[Carrier::JOB_KEY] = carrier unless carrier.empty?
            end
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
              rehydrate(job) unless Sidekiq.carried_within?(job)
              yield
            end
          end

          private

          def rehydrate(job)
            carrier = job[Carrier::JOB_KEY] or return

            UserExperienceSli.rehydrate(
              carrier,
              job: job["correlation_id"] || job["jid"], category: CATEGORY, worker: job["class"].to_s
            )
          end
        end
      end
    end
  end
end
