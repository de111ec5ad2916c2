# frozen_string_literal: true

require "json"

# The scenarios that every language replays; without them nothing passes.
module Corpus
  DIRECTORY = File.expand_path("../../../../tests/scenarios", __dir__)
  DEFINITIONS = File.join(DIRECTORY, "definitions")

  Scenario = Struct.new(:path, :story, :wire) do
    def name
      story.fetch("name")
    end
  end

  def self.scenarios
    paths = Dir[File.join(DIRECTORY, "*.json")]
    raise "no scenarios in #{DIRECTORY}" if paths.empty?

    paths.map { |path| read(path) }
  end

  def self.read(path)
    text = File.read(path, encoding: "UTF-8")
    Scenario.new(path, JSON.parse(text), wire(text))
  end

  # Each element of `wire` stands on a line of its own, and its text is what
  # must travel.
  def self.wire(text)
    lines = text.lines(chomp: true)
    first = lines.index { |line| line.start_with?('  "wire": [') } or raise "no wire"
    return [] if lines[first].include?("]")

    lines.drop(first + 1).take_while { |line| !line.start_with?("  ]") }
         .map { |line| line.strip.delete_suffix(",") }
  end
  private_class_method :read, :wire
end
