# frozen_string_literal: true

require "json"
require "time"

# Replays a scenario through the public API.
class ScenarioPlayer
  SLI = Labkit::UserExperienceSli
  # Nobody raises these but the player.
  Failure = Class.new(StandardError)

  def initialize(scenario)
    @story = scenario.story
    @named = Hash.new(Labkit::Core::NullExperience.instance)
    @texts = {}
  end

  # @return [Array<String>] what would have been sent
  def play
    options = (@story["config"] || {}).transform_keys(&:to_sym)
    @testing = SLI.test_client(
      registry_path: Corpus::DEFINITIONS, type: "web", strict: @story.fetch("strict"), **options
    )
    advance_to(Time.iso8601(@story.fetch("clock")))
    @testing.seed_ids(1)
    steps(@story.fetch("steps"))
    @testing.take
  end

  private

  def steps(list)
    list.each { |step| expecting(step["fails"]) { send(:"do_#{step.fetch("do")}", step) } }
  end

  def expecting(status)
    yield
    raise "expected #{status}" if status
  rescue SLI::UserExperienceError => e
    raise unless e.status.to_s == status
  end

  def advance_to(time)
    @now = time
    @testing.set_clock(time)
  end

  def on(step)
    @named[step["on"]]
  end

  def extra(step)
    meta = step["meta"] || {}
    meta = { pad: "x" * (step["meta_bytes"] - 10) } if step["meta_bytes"]
    meta.transform_keys(&:to_sym)
  end

  def reason(step)
    step["reason_hex"] ? [step["reason_hex"]].pack("H*") : step["reason"]
  end

  def do_advance(step)
    advance_to(@now + Rational(step.fetch("ms"), 1000))
  end

  def do_start(step)
    @named[step["as"]] = SLI.start(step["id"], correlation_id: step["correlation_id"], **extra(step))
  end

  def do_checkpoint(step)
    on(step).checkpoint(step["category"], **extra(step))
  end

  def do_error(step)
    on(step).error!(reason(step))
  end

  def do_handled(step)
    on(step).handled!(reason(step))
  end

  def do_complete(step)
    on(step).complete(**extra(step))
  end

  def do_discard(step)
    on(step).discard!(reason(step), **extra(step))
  end

  def do_observed(step)
    outcome = { "error" => { error: step["reason"] }, "handled" => { handled: step["reason"] } }
    SLI.observed(
      step["id"],
      start_time: Time.iso8601(step["start_time"]), correlation_id: step["correlation_id"],
      **outcome.fetch(step["outcome"], {}), **extra(step)
    )
  end

  def do_is_active(step)
    raise "#{step["on"]} is not as active as it should be" unless on(step).active? == step["equals"]
  end

  def do_carrier(step)
    text = JSON.generate(on(step).carrier)
    raise "carrier: #{text}" unless text == step["equals"]

    @texts[step["as"]] = text
  end

  def do_resume(step)
    carrier = step["carrier"] || @texts.fetch(step["from"])
    resumed = SLI.rehydrate(
      carrier, only: step["id"], job: step["job"], category: step["category"], **extra(step)
    )
    @named[step["as"]] = resumed.first || SLI.get(step["id"])
  end

  def do_scope(step)
    SLI.isolate { steps(step["steps"]) }
  end

  def do_current(step)
    @named[step["as"]] = SLI.get(step["id"])
  end

  def do_record(step)
    SLI.record(step["payload"])
  end

  def do_block(step)
    catch(:past_the_end) do
      SLI.start(step["id"], **extra(step)) do |experience|
        @named[step["as"]] = experience
        steps(step["steps"])
        leave(experience, step)
      end
    end
  rescue Failure, SystemExit
    nil # raised by `leave`
  end

  def leave(experience, step)
    case step["exit"]
    when "error" then raise Failure, step["reason"]
    when "non_local" then throw :past_the_end
    when "abandoned" then raise SystemExit
    # Ruby has no idiom for it.
    when "cancelled" then experience.send(:leave, Labkit::Core::Native::EXIT_CANCELLED)
    end
  end
end
