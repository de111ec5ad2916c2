# frozen_string_literal: true

# What a forking server preloads: configured, and used, before the fork. No
# hook of any server is set.
require "labkit/core"

SLI = Labkit::UserExperienceSli
SLI.configure do |c|
  c.type = "web"
  c.options = { batch_age_ms: 20 }
end
SLI.start(:sign_in_dashboard).complete # in the master, which forks while its thread is at work

# One experience a request; its path says how it ends.
class Shop
  def call(env)
    catch(:done) { request(env["PATH_INFO"].delete_prefix("/")) }
    [200, { "content-type" => "text/plain" }, [Process.pid.to_s]]
  rescue RuntimeError
    [500, { "content-type" => "text/plain" }, [Process.pid.to_s]]
  end

  private

  def request(wish)
    SLI.start(:load_comments, wish:) do |xp|
      xp.checkpoint(:found)
      case wish
      when "error" then raise "no such comment"
      when "handled" then throw :done
      when "discarded" then xp.discard!("a dry run")
      when "system" then system("true")
      end
    end
  end
end

use Labkit::Core::Middleware::Rack
run Shop.new
