# frozen_string_literal: true

module Labkit
  module Core
    module Middleware
      # For ActiveJob, which is not needed to load this: whatever its queue,
      # what is active where a job is enqueued goes on in the job, which
      # completes nothing by itself. The Railtie includes it; elsewhere:
      #
      #   ActiveJob::Base.include(Labkit::Core::Middleware::ActiveJob)
      module ActiveJob
        SCHEDULED = "active_job_scheduled"
        STARTED = "active_job_started"
        private_constant :SCHEDULED, :STARTED

        def self.included(base)
          base.around_enqueue { |job, block| job.labkit_hand_over(&block) }
          base.prepend(Execution)
        end

        # The outermost of what happens to a job: callbacks and handlers of
        # exceptions run in its scope, too.
        module Execution
          def perform_now
            labkit_take_up { super }
          end
        end

        def serialize
          @labkit_carrier ? super.merge(Carrier::JOB_KEY => @labkit_carrier) : super
        end

        # A job that comes from a queue has a scope of its own; `perform_now`
        # on one that does not is a call like any other.
        def deserialize(job_data)
          super
          @labkit_carrier = job_data[Carrier::JOB_KEY]
          @labkit_queued = true
        end

        # @private
        def labkit_hand_over
          carrier = UserExperienceSli.hand_over(SCHEDULED, worker: self.class.name)
          # A job that is enqueued again, as for a retry, keeps what it has.
          @labkit_carrier = carrier unless carrier.empty?
          yield
        end

        # @private
        def labkit_take_up
          return yield unless @labkit_queued

          UserExperienceSli.isolate(request_correlation_id: job_id) do
            if @labkit_carrier
              UserExperienceSli.rehydrate(
                @labkit_carrier, job: job_id, category: STARTED, worker: self.class.name
              )
            end
            yield
          end
        end
      end
    end
  end
end
