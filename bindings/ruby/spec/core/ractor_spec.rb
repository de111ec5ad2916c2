# frozen_string_literal: true

RSpec.describe "A ractor" do
  # In a process of its own: a ractor changes how all of Ruby behaves.
  def in_ractor(environment, calls)
    lib = File.expand_path("../../lib", __dir__)
    script = <<~RUBY
      Warning[:experimental] = false
      Labkit::UserExperienceSli.test_client(registry_path: ARGV[0], strict: #{environment == "test"})
      puts Ractor.new {
        sli = Labkit::UserExperienceSli
        begin
          #{calls}
        rescue StandardError => e
          [e.class, e.message]
        end
      }.take.inspect
      puts Labkit::UserExperienceSli.start(:create_order).complete.correlation_id ? "main records" : "main does not"
    RUBY
    command = ["ruby", "-I#{lib}", "-rlabkit/core", "-e", script, Corpus::DEFINITIONS]
    IO.popen([{ "RAILS_ENV" => environment }, *command, { err: %i[child out] }], &:read)
  end

  calls = <<~RUBY
    result = sli.start(:create_order, project_id: 7) { |xp| xp.checkpoint(:inside).active? }
    sli.start(:create_order).complete
    [result, sli.get(:sign_in).active?, sli.isolate { 42 }, sli.carrier, sli.stats, sli.flush, sli.configure,
     sli.resume(:sign_in) { 1 }]
  RUBY

  it "is refused with an error that says so, where mistakes raise" do
    output = in_ractor("test", calls)

    expect(output).to include("Labkit::UserExperienceSli::RactorError", "main Ractor only")
    expect(output).to end_with("main records\n")
  end

  it "runs the user's blocks, records nothing, and says so once elsewhere" do
    output = in_ractor("production", calls)

    expect(output).to include("[false, false, 42, {}, nil, true, nil, 1]").and end_with("main records\n")
    expect(output.scan("main Ractor only").size).to eq(1)
  end
end
