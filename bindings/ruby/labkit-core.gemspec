# frozen_string_literal: true

require_relative "lib/labkit/core/version"

Gem::Specification.new do |spec|
  spec.name = "labkit-core"
  spec.version = Labkit::Core::VERSION
  spec.summary = "Records whether user experiences start, proceed and end."
  spec.description = "Ruby face of liblabkit: GitLab's Labkit::UserExperienceSli calls, sent to a tracker " \
                     "that also notices the experiences that never end."
  spec.authors = ["labkit contributors"]
  spec.license = "MIT"
  spec.required_ruby_version = ">= 3.1"

  # A platform gem brings the library along; otherwise the system's loader, or
  # LABKIT_LIBRARY, has to find it. See build_gems.rb.
  library = "lib/labkit/core/liblabkit.so.0"
  spec.platform = Gem::Platform.local if File.exist?(File.join(__dir__, library))
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.rb", library, "README.md"] }
  spec.require_paths = ["lib"]
  spec.add_dependency "ffi", "~> 1.15"
  spec.metadata = { "rubygems_mfa_required" => "true" }
end
