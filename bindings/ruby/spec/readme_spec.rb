# frozen_string_literal: true

# Its first part, the start, is tried as a whole in integration/.
RSpec.describe "The README" do
  # What a program would have loaded before, and a place for its middlewares.
  frameworks = <<~RUBY
    require "rails"
    require "action_controller/railtie"
    require "active_job/railtie"
    require "sidekiq"
    require "rspec/core"
    def use(...) = Rack::Builder.new.use(...)
    RSpec.configure { |config| config.output_stream = File.open(File::NULL, "w") }
    at_exit do
      if (application = Rails.application)
        application.config.eager_load = false # as an environment's file would say
        application.initialize!
      end
      examples = RSpec.world.example_groups
      exit!(examples.empty? || RSpec::Core::Runner.new([]).run_specs(RSpec.world.ordered_example_groups).zero?)
    end
  RUBY
  root = File.expand_path("..", __dir__)
  reference = File.read("#{root}/README.md").split(/^## Install$/).last
  snippets = reference.scan(/^```ruby\n(.*?)^```$/m).flatten

  snippets.each.with_index(1) do |snippet, n|
    it "has a snippet #{n} that runs as it stands" do
      Dir.mktmpdir do |directory|
        FileUtils.mkdir_p("#{directory}/config")
        FileUtils.mkdir_p("#{directory}/log")
        FileUtils.cp_r(Corpus::DEFINITIONS, "#{directory}/config/user_experience_slis")
        settings = { "LABKIT_ENDPOINT" => "http://127.0.0.1:9", "LABKIT_TYPE" => "web", "RAILS_ENV" => "test" }
        File.write("#{directory}/snippet.rb", "#{frameworks}\nrequire 'labkit/core'\n#{snippet}")
        output = IO.popen(
          [settings, "ruby", "-I#{root}/lib", "snippet.rb"], chdir: directory, err: %i[child out], &:read
        )

        expect(output.gsub(/^.*next attempt in.*\n/, "")).to eq("")
        expect(Process.last_status).to be_success
      end
    end
  end

  it "has snippets" do
    expect(snippets.size).to be >= 5
  end
end
