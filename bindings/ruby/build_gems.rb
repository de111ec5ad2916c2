# frozen_string_literal: true

# Builds both gems, offline: ruby build_gems.rb OUT [LIBRARY]
#
# - labkit-core-VERSION.gem: Ruby alone; liblabkit.so.0 is to be installed on
#   the system, or named by LABKIT_LIBRARY
# - labkit-core-VERSION-PLATFORM.gem: with LIBRARY inside, for this platform
require "fileutils"
require "tmpdir"

HERE = __dir__
OUT = File.expand_path(ARGV.fetch(0))
LIBRARY = File.expand_path(ARGV[1] || ENV["LABKIT_LIBRARY"] || "#{HERE}/../../target/lib/liblabkit.so.0")

# A copy of what is packed, so that a build leaves nothing in the sources.
def build(library: nil)
  Dir.mktmpdir do |stage|
    FileUtils.cp_r(["#{HERE}/lib", "#{HERE}/README.md", "#{HERE}/labkit-core.gemspec"], stage)
    inside = "#{stage}/lib/labkit/core/liblabkit.so.0"
    FileUtils.rm_f(inside)
    FileUtils.install(library, inside, mode: 0o755) if library
    system("gem", "build", "--quiet", "labkit-core.gemspec", chdir: stage, exception: true)
    FileUtils.mv(Dir["#{stage}/*.gem"], OUT)
  end
end

FileUtils.mkdir_p(OUT)
build
build(library: LIBRARY)
puts Dir["#{OUT}/labkit-core-*.gem"]
