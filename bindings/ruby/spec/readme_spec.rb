# frozen_string_literal: true

RSpec.describe "The README" do
  # Frameworks that the recipe names, as far as it uses them.
  framework = <<~RUBY
    require "rspec/core"
    module Chain
      def self.method_missing(name, *args, **options)
        yield Chain if block_given?
        Array(args.first).grep(Class).each { |middleware| middleware.method_defined?(:call) || raise(name) }
        Chain
      end
      def self.respond_to_missing?(*) = true
    end
    module Rails
      def self.application = Chain
      def self.logger = nil
    end
    module Sidekiq
      def self.server? = false
      def self.configure_client = yield(Chain)
      def self.configure_server = yield(Chain)
    end
    RSpec.configure { |config| config.output_stream = File.open(File::NULL, "w") }
    at_exit { exit!(RSpec.world.example_groups.empty? || RSpec::Core::Runner.new([]).run_specs(RSpec.world.ordered_example_groups).zero?) }
  RUBY
  root = File.expand_path("..", __dir__)
  snippets = File.read("#{root}/README.md").scan(/^```ruby\n(.*?)^```$/m).flatten

  snippets.each.with_index(1) do |snippet, n|
    it "has a snippet #{n} that runs as it stands" do
      Dir.mktmpdir do |directory|
        FileUtils.mkdir_p("#{directory}/config")
        FileUtils.cp_r(Corpus::DEFINITIONS, "#{directory}/config/user_experience_slis")
        settings = { "LABKIT_ENDPOINT" => "http://127.0.0.1:9", "LABKIT_TYPE" => "web", "RAILS_ENV" => "test" }
        program = "#{framework}\nrequire 'labkit/core'\n#{snippet}"
        output = IO.popen(
          [settings, "ruby", "-I#{root}/lib", "-e", program], chdir: directory, err: %i[child out], &:read
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
