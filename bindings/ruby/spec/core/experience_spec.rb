# frozen_string_literal: true

require "timeout"

RSpec.describe Labkit::Core::Experience do
  before { test_client }

  describe "the block form" do
    it "returns the block's result" do
      expect(sli.start(:create_order) { 42 }).to eq(42)
      expect(sent).to eq(["start", "end success"])
    end

    it "yields the experience" do
      sli.start(:create_order) { |xp| expect(xp).to be_active }
    end

    it "raises the block's exception on unchanged" do
      error = RuntimeError.new("card expired")

      expect { sli.start(:create_order) { raise error } }.to raise_error(error)
      expect(error.cause).to be_nil
      expect(sli.testing.checkpoints.last).to include("outcome" => "error", "reason" => "card expired")
    end

    it "ends as expected when the block is left by throw, break or return" do
      catch(:done) { sli.start(:create_order) { throw :done } }
      sli.start(:create_order) { break }
      leave_by_return

      ends = sli.testing.checkpoints.select { |c| c["checkpoint"] == "end" }
      expect(ends.map { |c| [c["outcome"], c["reason"]] }).to eq([%w[handled non_local_exit]] * 3)
    end

    def leave_by_return
      sli.start(:create_order) { return }
    end

    it "ends well when the block is left by next" do
      expect(sli.start(:create_order) { next 42 }).to eq(42)
      expect(sent).to eq(["start", "end success"])
    end

    it "takes a timeout from outside, which jumps, for an error only if so configured" do
      test_client(non_local_exit: "error")

      expect { Timeout.timeout(0.001) { sli.start(:create_order) { sleep } } }.to raise_error(Timeout::Error)
      expect(sent).to eq(["start", "end error"])
    end

    it "sees a jump as one even while another exception is handled" do
      begin
        raise "an earlier problem"
      rescue RuntimeError
        catch(:done) { sli.start(:create_order) { throw :done } }
      end

      expect(sent).to eq(["start", "end handled"])
    end

    it "ends as an error when nobody catches the throw" do
      expect { sli.start(:create_order) { throw :nobody } }.to raise_error(UncaughtThrowError)
      expect(sent).to eq(["start", "end error"])
    end

    it "sends no end when the process is about to exit or is interrupted" do
      [SystemExit.new, Interrupt.new, SignalException.new("TERM")].each do |exit|
        expect { sli.start(:create_order) { raise exit } }.to raise_error(exit.class)
      end

      expect(sent).to eq(["start"] * 3)
    end

    it "sends no end when its thread is killed" do
      begun = Queue.new
      thread = Thread.new { sli.start(:create_order) { begun << sleep } }
      Thread.pass until thread.stop?
      thread.kill.join

      expect(sent).to eq(["start"])
    end

    it "sends the end that a dying thread reaches while it cleans up" do
      begun = Queue.new
      thread = Thread.new do
        begun << sleep
      ensure
        sli.start(:sign_in) { nil }
      end
      Thread.pass until thread.stop?
      thread.kill.join

      expect(sent).to eq(["start", "end success"])
    end

    it "sends what it was given with both of its checkpoints, as GitLab's does" do
      sli.start(:create_order, project_id: 7) { nil }
      sli.start(:create_order)
      sli.resume(:create_order, attempt: 2) { nil }

      fields = sli.testing.checkpoints.map { |checkpoint| checkpoint["meta"] }
      expect(fields).to eq(([{ "project_id" => 7 }] * 2) + [nil] + ([{ "attempt" => 2 }] * 2))
    end

    it "sends one end if the block has completed it" do
      sli.start(:create_order) { |xp| xp.complete.complete }

      expect(sent).to eq(["start", "end success"])
    end

    it "runs also under resume, of something and of nothing" do
      expect(sli.resume(:create_order) { :ran }).to eq(:ran)
      expect(sent).to eq([])

      sli.start(:create_order)
      expect(sli.resume(:create_order) { :ran }).to eq(:ran)
      expect(sent).to eq(["start", "intermediate", "end success"])
      expect(sli.get(:create_order)).not_to be_active
    end
  end

  it "chains every call" do
    xp = sli.start(:create_order).checkpoint.error!("late").handled!("fine").complete.discard!("no")

    expect(xp).to be_a(described_class)
    expect(sent).to eq(["start", "intermediate", "end error"])
  end

  it "takes ids as symbols and strings" do
    sli.start("create_order")

    expect(sli.get(:create_order)).to be_active
  end

  it "tells whether it is marked as failed" do
    xp = sli.start(:create_order)

    expect { xp.error!(ArgumentError.new("no such item")) }.to change(xp, :has_error?).from(false).to(true)
    xp.complete
    expect(sli.testing.checkpoints.last).to include("reason" => "no such item")
  end

  it "is no trouble when an exception cannot say what it is" do
    mute = Class.new(StandardError) { def message = raise("no") }

    expect { sli.start(:create_order).error!(mute.new).complete }.not_to raise_error
  end

  it "has a correlation id, its own or a given one" do
    expect(sli.get(:create_order).correlation_id).to be_nil
    expect(sli.start(:create_order).correlation_id).to match(/\A[0-7][0-9A-Z]{25}\z/)

    given = "01KE6Y6MG0AAAAAAAAAAAAAAAA"
    expect(sli.start(:sign_in, correlation_id: given).correlation_id).to eq(given)
  end

  it "does not start again" do
    xp = sli.get(:create_order)

    expect(xp.start(project_id: 7)).to be(xp)
    expect(xp.start { :ran }).to eq(:ran)
    expect(sent).to eq(["start"])
  end

  it "sends the category of a resume, GitLab's by default" do
    sli.start(:create_order)
    sli.resume(:create_order)
    sli.resume(:create_order, checkpoint_category: :back_again, step: 2)

    expect(sli.testing.checkpoints.drop(1)).to match(
      [
        hash_including("checkpoint_category" => "resume"),
        hash_including("checkpoint_category" => "back_again", "meta" => { "step" => 2 })
      ]
    )
  end

  it "records what is already over" do
    test_client.set_clock("2026-01-05T10:00:00Z")
    start = Time.utc(2026, 1, 5, 9, 59, 58.5r)
    [start, start.to_datetime, start.iso8601(3), start.to_f].each do |time|
      expect(sli.observed(:sign_in, start_time: time, error: "BadPassword", via: "sso")).not_to be_active
    end

    start, last = sli.testing.checkpoints.each_slice(2).to_a.transpose
    expect(start.map { |c| c["client_timestamp"] }.uniq).to eq(["2026-01-05T09:59:58.500Z"])
    expect(last).to all(include("outcome" => "error", "reason" => "BadPassword", "meta" => { "via" => "sso" }))
  end

  describe "strict mode" do
    it "raises typed errors that name the status and what was given" do
      xp = sli.start(:create_order)
      {
        [:reserved_key, sli::ReservedKeywordError, /create_order checkpoint \(urgency\)/] =>
          -> { xp.checkpoint(urgency: "high") },
        [:invalid_checkpoint, sli::InvalidCheckpointError, /meta/] => -> { xp.complete(a: [1]) },
        [:invalid_argument, sli::ArgumentError, /argument/] => -> { xp.checkpoint("No Name!") },
        [:unknown_experience, sli::NotFoundError, /nobody_wrote_this/] => -> { sli.start(:nobody_wrote_this) },
        [:invalid_carrier, sli::InvalidCarrierError, /carrier/] => -> { sli.rehydrate("{") }
      }.each do |(status, error, message), call|
        expect(&call).to raise_error(error, message) { |e| expect(e.status).to eq(status) }
      end
      expect(xp).to be_active
    end

    it "catches all of them as UserExperienceError" do
      expect { sli.start(:create_order, error: 1) }.to raise_error(sli::UserExperienceError)
      expect { sli.observed(:sign_in, start_time: "yesterday") }.to raise_error(sli::UserExperienceError, /start_time/)
    end
  end
end
