# frozen_string_literal: true

# The real servers, each beside a real tracker. From bindings/ruby:
#
#   rspec integration
#
# What is missing on the machine is a failure, not a reason to skip.
require "spec_helper"
require_relative "support/servers"
require_relative "support/tracker_process"
require_relative "support/verdict"

# A directory, a tracker and a place for ledgers, for one example.
module Stage
  RUBY_DIRECTORY = File.expand_path("..", __dir__)
  LIB = File.join(RUBY_DIRECTORY, "lib")
  APPS = File.join(__dir__, "apps")
  # GitLab's own ids, in our words.
  DEFINITIONS = File.expand_path("../../../examples/gitlab/config/user_experience_slis", __dir__)

  attr_reader :directory, :tracker, :servers

  # What every process of the example is given.
  def environment
    {
      "LABKIT_ENDPOINT" => tracker.endpoint, "LABKIT_REGISTRY_PATH" => DEFINITIONS,
      "RAILS_ENV" => "production", "RACK_ENV" => "production",
      "LEDGERS" => File.join(directory, "ledgers"), "RUBYLIB" => LIB,
      "RUBYOPT" => "-r#{File.join(__dir__, "support/ledger.rb")}", "SECRET_KEY_BASE" => "0" * 32
    }
  end

  # What the tracker and the ledgers say; to be asked once everything has stopped.
  def verdict
    @verdict ||= Verdict.new(tracker, Dir[File.join(directory, "ledgers/*.json")])
  end
end

RSpec.configure do |config|
  config.include Stage, :stage
  config.around(:each, :stage) do |example|
    Dir.mktmpdir do |directory|
      @directory = directory
      Dir.mkdir(File.join(directory, "ledgers"))
      TrackerProcess.run(directory, Stage::DEFINITIONS) do |tracker|
        @tracker = tracker
        Servers.run(directory) do |servers|
          @servers = servers
          example.run
        end
      end
    end
  end
end
