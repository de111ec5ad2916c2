# frozen_string_literal: true

# A command that the preloader runs.
2.times { SLI.start(:load_comments) { |xp| xp.checkpoint(:in_the_command) } }
begin
  SLI.start(:load_comments) { raise "no such comment" }
rescue RuntimeError
  puts "failed as it should"
end
