# frozen_string_literal: true

# What ships, unless told otherwise.
ENV["LABKIT_LIBRARY"] ||= File.expand_path("../../../target/lib/liblabkit.so.0", __dir__)

require "labkit/core"
require "logger"
require "stringio"
require "tmpdir"

require_relative "support/corpus"
require_relative "support/http_tracker"
require_relative "support/scenario_player"

# What the examples share.
module Helpers
  SLI = Labkit::UserExperienceSli

  def sli
    SLI
  end

  # A client that sends nothing, strict unless told otherwise.
  def test_client(**options)
    SLI.test_client(registry_path: Corpus::DEFINITIONS, type: "web", **options)
  end

  # A client that sends to `tracker`, and not before it is told to.
  def http_client(tracker, **options)
    SLI.configure do |c|
      c.registry_path = Corpus::DEFINITIONS
      c.endpoint = tracker.endpoint
      c.type = "web"
      c.transport = "http"
      c.strict = true
      c.logger = nil
      c.options = options
    end
  end

  # The kinds of the checkpoints that would have been sent, with the outcome
  # of an end: ["start", "end success"].
  def sent
    sli.testing.checkpoints.map { |c| [c["checkpoint"], c["outcome"]].compact.join(" ") }
  end

  # Runs the block in a fork child, and returns what it returned.
  def in_child
    reader, writer = IO.pipe
    child = fork do
      reader.close
      writer.write(Marshal.dump(yield))
      writer.close
    end
    writer.close
    result = reader.read
    Process.wait(child)
    Marshal.load(result) # rubocop:disable Security/MarshalLoad -- our own child wrote it
  end
end

RSpec.configure do |config|
  config.include Helpers
  config.disable_monkey_patching!
  config.order = :random
  Kernel.srand config.seed
  # Each example begins with nothing active.
  config.around { |example| Thread.new { example.run }.join }
end
