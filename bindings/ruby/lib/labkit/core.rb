# frozen_string_literal: true

# What `require "labkit/core"` loads: Labkit::UserExperienceSli, the public
# face, and Labkit::Core, what stands behind it; in a Rails application also
# the Railtie.
#
#   Labkit::UserExperienceSli.start(:create_merge_request) { |xp| ... }
#
# The gem gitlab-labkit has files and a module of the same names
# (user_experience_sli, rspec/matchers). Where both are installed, this one
# answers, whichever is required first: its directory goes to the front of the
# load path, and a module of theirs that is loaded already gives up its name.
lib = File.expand_path("..", __dir__)
$LOAD_PATH.unshift(lib) unless $LOAD_PATH.first == lib

# Everything of gitlab-labkit but what is replaced stays as it is.
module Labkit
  # A constant that waits to be autoloaded is not loaded yet, and finds ours.
  theirs = !defined?(Core::VERSION) && !autoload?(:UserExperienceSli) && const_defined?(:UserExperienceSli, false)
  remove_const(:UserExperienceSli) if theirs
end

# By its path: their file of this name may count as loaded.
require_relative "user_experience_sli"
require "labkit/core/railtie" if defined?(Rails::Railtie)
