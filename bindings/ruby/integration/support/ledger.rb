# frozen_string_literal: true

# Required by every process of a test, first of all: what it registers runs
# last, when the library has sent what it had.
require "json"

at_exit do
  stats = defined?(Labkit::UserExperienceSli) && Labkit::UserExperienceSli.stats
  if stats
    file = File.join(ENV.fetch("LEDGERS"), "#{Process.pid}.json")
    File.write("#{file}.part", JSON.generate(process: $PROGRAM_NAME, **stats.to_h))
    File.rename("#{file}.part", file) # whole, or not at all
  end
end
