# frozen_string_literal: true

# What `require "labkit/core"` loads: Labkit::UserExperienceSli, the public
# face, and Labkit::Core, what stands behind it.
#
#   Labkit::UserExperienceSli.start(:create_merge_request) { |xp| ... }
#
# The gem gitlab-labkit has files of the same names (user_experience_sli,
# rspec/matchers) and loads them when they are first needed. Where both are
# installed, this one is meant to answer: its own directory goes to the front
# of the load path, and the public face is loaded before anything refers to it.
lib = File.expand_path("..", __dir__)
$LOAD_PATH.unshift(lib) unless $LOAD_PATH.first == lib

require "labkit/user_experience_sli"
