# frozen_string_literal: true

require "rubygems/package"
require_relative "integration_helper"

RSpec.describe "The gems", :stage do
  before(:all) do
    @out = Dir.mktmpdir
    system("ruby", "#{Stage::RUBY_DIRECTORY}/build_gems.rb", @out, ENV.fetch("LABKIT_LIBRARY"),
           out: File::NULL, err: File::NULL, exception: true)
  end
  after(:all) { FileUtils.rm_rf(@out) }

  version = Labkit::Core::VERSION
  let(:source) { "#{@out}/labkit-core-#{version}.gem" }
  let(:platform) { "#{@out}/labkit-core-#{version}-#{Gem::Platform.local}.gem" }
  # Nothing of this checkout, and no way to the network.
  let(:environment) do
    super().merge(
      "RUBYLIB" => nil, "RUBYOPT" => nil, "LABKIT_LIBRARY" => nil, "LD_LIBRARY_PATH" => nil, "LABKIT_TYPE" => "web",
      "GEM_HOME" => "#{directory}/gems", "http_proxy" => "http://127.0.0.1:9", "https_proxy" => "http://127.0.0.1:9",
      "no_proxy" => "127.0.0.1"
    )
  end
  let(:program) { <<~RUBY }
    require "labkit/core"
    sli = Labkit::UserExperienceSli
    sli.start(:sign_in_dashboard) { |xp| xp.checkpoint(:from_a_gem) }
    print sli.flush, " ", Labkit::Core::Native.library, " ", $LOADED_FEATURES.grep(%r{labkit/core.rb}).join
  RUBY

  def install(gem)
    servers.run(environment, "gem", "install", "--local", "--no-document", gem)
  end

  it "for this platform brings the library along, and needs no network to be installed and run" do
    install(platform)
    output = servers.run(environment, "ruby", "-e", program)
    inside = "#{directory}/gems/gems/labkit-core-#{version}-#{Gem::Platform.local}/lib/labkit"

    expect(output).to eq("true #{inside}/core/liblabkit.so.0 #{inside}/core.rb")
    expect(tracker.outcomes(:success)).to eq(1)
  end

  it "of Ruby alone takes the library that is named, and says what to do without one" do
    install(source)
    named = environment.merge("LABKIT_LIBRARY" => ENV.fetch("LABKIT_LIBRARY"))

    expect(servers.run(named, "ruby", "-e", program)).to start_with("true #{ENV.fetch("LABKIT_LIBRARY")} ")
    expect(tracker.outcomes(:success)).to eq(1)
    expect { servers.run(environment, "ruby", "-e", program) }
      .to raise_error(/install the gem for this platform.*LoadError/m)
  end

  it "need no other gem than ffi" do
    [source, platform].each do |gem|
      specification = Gem::Package.new(gem).spec

      expect(specification.runtime_dependencies.map(&:name)).to eq(["ffi"])
      expect(specification.files.grep(/\.so/).size).to eq(gem == platform ? 1 : 0)
    end
  end
end
