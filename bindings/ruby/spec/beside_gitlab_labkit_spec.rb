# frozen_string_literal: true

RSpec.describe "Beside gitlab-labkit" do
  # gitlab-labkit itself is not at hand; it loads these files by autoload.
  around do |example|
    Dir.mktmpdir do |directory|
      @theirs = directory
      FileUtils.mkdir_p("#{directory}/labkit/rspec")
      File.write("#{directory}/gitlab-labkit.rb", <<~RUBY)
        module Labkit
          autoload :UserExperienceSli, "labkit/user_experience_sli"
        end
      RUBY
      File.write("#{directory}/labkit/user_experience_sli.rb", "module Labkit::UserExperienceSli; THEIRS = 1; end")
      File.write("#{directory}/labkit/rspec/matchers.rb", "raise 'theirs'")
      example.run
    end
  end

  def run(*requires)
    lib = File.expand_path("../lib", __dir__)
    script = <<~RUBY
      #{requires.map { |name| "require #{name.inspect}" }.join("\n")}
      require "rspec/expectations"
      require "labkit/rspec/matchers"
      sli = Labkit::UserExperienceSli
      sli.test_client(registry_path: ARGV[0])
      print sli.const_defined?(:THEIRS), sli.start(:create_order).active?
    RUBY
    IO.popen(["ruby", "-I#{@theirs}", "-I#{lib}", "-e", script, Corpus::DEFINITIONS], &:read)
  end

  it "answers to the shared names, whichever is required first" do
    expect(run("gitlab-labkit", "labkit/core")).to eq("falsetrue")
    expect(run("labkit/core", "gitlab-labkit")).to eq("falsetrue")
  end

  it "takes the module's name over also when theirs is loaded already, as where all is loaded eagerly" do
    expect(run("gitlab-labkit", "labkit/user_experience_sli", "labkit/core")).to eq("falsetrue")
  end

  it "leaves the rest of theirs alone" do
    File.write("#{@theirs}/gitlab-labkit.rb", <<~RUBY)
      module Labkit
        Context = Module.new
      end
      require "labkit/user_experience_sli"
    RUBY
    lib = File.expand_path("../lib", __dir__)
    script = <<~RUBY
      require "gitlab-labkit"
      context = Labkit::Context
      require "labkit/core"
      print context.equal?(Labkit::Context)
    RUBY

    expect(IO.popen(["ruby", "-I#{@theirs}", "-I#{lib}", "-e", script], &:read)).to eq("true")
  end
end
