# frozen_string_literal: true

RSpec.describe "A fork" do
  around { |example| HttpTracker.run { |tracker| (@tracker = tracker) && example.run } }

  attr_reader :tracker

  before { http_client(tracker, batch_age_ms: 60_000) }

  def kinds(checkpoints)
    checkpoints.map { |c| [c["user_experience_id"], c["checkpoint"], c["outcome"]].compact.join(" ") }
  end

  it "sends the parent's checkpoints once and the child's, too" do
    sli.start(:create_order) # waits in the queue of both
    child = in_child do
      sli.start(:sign_in).complete
      [sli.flush(5_000), sli.stats.to_h]
    end

    expect(child).to match([true, hash_including(recorded: 2, acknowledged: 2, queued: 0)])
    expect(sli.flush(5_000)).to be(true)
    expect(sli.stats).to have_attributes(recorded: 1, acknowledged: 1).and be_balanced
    expect(tracker.by_instance.values.map { |list| kinds(list) })
      .to contain_exactly(["sign_in start", "sign_in end success"], ["create_order start"])
    expect(tracker.mistakes).to eq([])
  end

  it "works in the child also when the parent's thread has sent before" do
    sli.start(:create_order)
    sli.flush(5_000)
    results = Array.new(3) { in_child { sli.start(:sign_in) && sli.flush(5_000) } }
    sli.start(:sign_in).complete
    sli.flush(5_000)

    expect(results).to eq([true] * 3)
    expect(tracker.by_instance.size).to eq(4)
    expect(tracker.checkpoints.map { |c| c["id"] }.uniq.size).to eq(6)
  end

  it "sends nothing in the child for a block that the parent entered" do
    reader, writer = IO.pipe
    parent = Process.pid
    begin
      sli.start(:create_order) do
        child = fork
        raise "a problem of the child" unless child

        Process.wait(child)
      end
    rescue RuntimeError
      writer.puts(sli.stats.recorded)
    ensure
      exit! unless Process.pid == parent
    end
    writer.close
    sli.flush(5_000)

    expect(reader.read).to eq("0\n")
    expect(kinds(tracker.checkpoints)).to eq(["create_order start", "create_order end success"])
  end

  it "does not end the parent's experience by starting the same one in the child" do
    sli.start(:create_order)
    in_child do
      sli.start(:create_order).complete
      sli.flush(5_000)
    end
    sli.get(:create_order).complete
    sli.flush(5_000)

    expect(tracker.by_instance.values.map { |list| kinds(list) })
      .to eq([["create_order start", "create_order end success"]] * 2)
    expect(tracker.checkpoints.map { |c| c["correlation_id"] }.tally.values).to eq([2, 2])
  end

  it "lets the child go on with what the parent started, if told to" do
    xp = sli.start(:create_order)
    in_child { xp.checkpoint(:in_child) && sli.flush(5_000) }
    xp.complete
    sli.flush(5_000)

    expect(tracker.checkpoints.map { |c| c["correlation_id"] }.uniq).to eq([xp.correlation_id])
    expect(tracker.checkpoints.map { |c| c["id"] }.uniq.size).to eq(3)
  end

  it "does not disturb programs that are started meanwhile" do
    sli.start(:create_order)

    expect(system("true")).to be(true)
    expect(`echo hello`).to eq("hello\n")
    expect(sli.flush(5_000)).to be(true)
  end
end
