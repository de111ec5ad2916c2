# frozen_string_literal: true

module Labkit
  # Records whether user experiences start, proceed and end.
  #
  #   Labkit::UserExperienceSli.configure do |c|
  #     c.registry_path = "config/user_experience_slis"
  #     c.endpoint = "http://127.0.0.1:8480"
  #     c.type = "web"
  #   end
  #
  #   Labkit::UserExperienceSli.start(:create_merge_request, project_id: 7) do |xp|
  #     xp.checkpoint(:form_posted)
  #   end
  #
  # Nothing here waits for the tracker, except {flush} and {shutdown}, and
  # nothing raises outside development and test. Every method may be called
  # from every thread at once; experiences belong to the fiber that started
  # them until they are handed over.
  module UserExperienceSli
    # Opened by itself, before the rest: whatever is loaded below may name it.
  end
end

require "labkit/core/version"
require "labkit/core/errors"
require "labkit/core/native"
require "labkit/core/text"
require "labkit/core/meta"
require "labkit/core/moment"
require "labkit/core/reporter"
require "labkit/core/configuration"
require "labkit/core/context"
require "labkit/core/client"
require "labkit/core/block"
require "labkit/core/experience"
require "labkit/core/observed"
require "labkit/core/null_experience"
require "labkit/core/carrier"
require "labkit/core/testing"
require "labkit/core/lifecycle"
require "labkit/core/middleware/active_job"
require "labkit/core/middleware/rack"
require "labkit/core/middleware/sidekiq"

module Labkit
  # The public face; it translates, and asks Core for everything else.
  module UserExperienceSli
    # GitLab's names for what calls return.
    Experience = Core::Experience
    Null = Core::NullExperience

    extend Core::Lifecycle

    class << self
      # Starts an experience in the current context. Without a block it is
      # active until it is completed, here or wherever its carrier goes. With
      # a block it ends as the block is left: well at its end, as an error by
      # an exception, which is raised on unchanged, and as expected
      # (`non_local_exit`) by `throw`, `break` or `return`.
      #
      # @param id [Symbol, String] of the definition
      # @param extra [Hash] further fields of the checkpoint: scalars; with a
      #   block, of its end, too. `correlation_id:` is none of them, but a ULID
      #   or 32 hex digits instead of a fresh one.
      # @yieldparam experience [Core::Experience]
      # @return [Core::Experience, Object] the experience, or the block's result
      # @raise [NotFoundError, ArgumentError] with `strict`
      def start(id, extra = Core::Meta::NONE, &)
        client = current_client
        definition = client&.definition(id)
        experience = definition ? Core::Experience.new(definition) : Core::NullExperience.instance
        experience.start(extra, &)
      end

      # Continues the experience that is active in this context, for example
      # in a job that brought it; a silent no-op if there is none. A block
      # always runs, and ends the experience as it does for {start}.
      # @param extra further fields of the checkpoint, and of the block's end
      # @return [Core::Experience, Object] the experience, or the block's result
      def resume(id, checkpoint_category: "resume", **extra, &block)
        get(id).resume_with(checkpoint_category, extra, &block)
      end

      # The experience that is active in this context, or else one that has
      # not started, on which every call but `start` does nothing.
      # @return [Core::Experience]
      def get(id)
        client = current_client
        definition = client&.definition(id)
        return Core::NullExperience.instance unless definition

        Core::Context.scope(client)[definition.index] || Core::Experience.new(definition)
      end

      # Records something that is already over.
      # @param start_time [Time, DateTime, String, Numeric] a String in ISO
      #   8601, a number in seconds since the epoch; later than now is now
      # @param error [Exception, String, true, nil] it failed, and why
      # @param handled [String, Symbol, nil] it ended as expected, and why
      # @return [Core::Experience] on which every call does nothing
      def observed(id, start_time:, error: nil, handled: nil, correlation_id: nil, **extra)
        client = current_client
        definition = client&.definition(id)
        observed = Core::Observed.new(start_time, error, handled, correlation_id, extra)
        observed.record(client, definition) if definition
        Core::NullExperience.instance
      end

      # All active experiences of this context, for another process.
      # @return [Hash] to be written as JSON, empty if there are none
      def carrier
        client = current_client
        client ? Core::Carrier.collect(Core::Context.scope(client)) : {}
      end

      # {carrier} as the value of the header X-Labkit-User-Experiences.
      # @return [String, nil] nil if there is nothing to send along, or more
      #   than the 4 KiB that fit
      def carrier_header
        Core::Carrier.to_header(carrier)
      end

      # {carrier_header} as headers for a request to a service that trusts us.
      # @return [Hash] empty if there is nothing to send along
      def carrier_headers
        header = carrier_header
        header ? { Core::Carrier::HEADER => header } : {}
      end

      # Sends a checkpoint on every active experience, then returns {carrier}.
      # @param category [String, Symbol] what happened
      # @param extra further fields of the checkpoints: scalars
      # @return [Hash]
      def hand_over(category, **extra)
        client = current_client
        return {} unless client

        scope = Core::Context.scope(client)
        scope.to_a.each { |experience| experience.checkpoint(category, **extra) }
        Core::Carrier.collect(scope)
      end

      # Continues what a carrier brought, in the current context. Ids that are
      # not defined here are another service's business.
      # @param carrier [Hash, String] String: JSON
      # @param job [String, nil] the job's correlation id or jid, from which a
      #   correlation id is derived if the carrier has none
      # @param category [String, Symbol, nil] by default "resume"
      # @param only [Symbol, String, nil] this experience and no other
      # @return [Array<Core::Experience>] those that go on
      # @raise [InvalidCarrierError] with `strict`
      def rehydrate(carrier, job: nil, category: nil, only: nil, **extra)
        client = current_client
        return [] unless client

        Core::Carrier.entries(client, carrier, only).filter_map do |definition, json|
          experience = Core::Experience.new(definition).take_up(json, job, category, extra)
          experience if experience.active?
        end
      end

      # Runs the block in an inner scope, in which nothing is active at first,
      # and restores the outer one.
      # @param request_correlation_id [String, nil] the host's own name for
      #   this request or job; every checkpoint of the scope carries it
      def isolate(request_correlation_id: nil, &block)
        client = current_client
        client ? Core::Context.isolate(client, request_correlation_id, &block) : yield
      end

      # Records a whole payload of the wire format, for those who keep the
      # life cycle themselves.
      # @param payload [String, Hash] String: JSON
      # @return [Boolean] whether it was taken
      def record(payload)
        payload = JSON.generate(payload) unless payload.is_a?(String)
        current_client&.record(payload) || false
      end
    end
  end
end

require "labkit/core/current"
