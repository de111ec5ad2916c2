# frozen_string_literal: true

require "open3"
require "tmpdir"

RSpec.describe Labkit::Core::Native do
  let(:header) { File.read(File.expand_path("../../../../include/labkit.h", __dir__)) }
  let(:code) { header.gsub(%r{/\*.*?\*/}m, "") }
  # Name => [parameters' types, result's type], as C spells them.
  let(:prototypes) do
    code.scan(/^([a-z][\w *]*?)\s*\*?(labkit_\w+)\((.*?)\);/m).to_h do |result, name, parameters|
      list = parameters.split(",").map { |text| text.strip.squeeze(" ") }
      [name.to_sym, [list.reject { |text| text == "void" }, result.strip]]
    end
  end

  def ffi_type(parameter)
    return :pointer if parameter.include?("*")

    case parameter.delete_prefix("const ")
    when /\Auint64_t|\Alabkit_client/ then :uint64
    when /\Auint32_t/ then :uint32
    when /\Aint64_t/ then :int64
    when /\Aint32_t/ then :int32
    when /\Asize_t/ then :size_t
    end
  end

  def ffi_result(type)
    { "enum labkit_status" => :int, "const char" => :string, "uint32_t" => :uint32, "bool" => :bool }[type]
  end

  it "declares every function of the header as the header does" do
    declared = prototypes.transform_values do |parameters, result|
      [parameters.map { |parameter| ffi_type(parameter) }, ffi_result(result)]
    end

    expect(described_class::FUNCTIONS).to eq(declared)
  end

  it "knows every status by its number" do
    statuses = header.scan(/LABKIT_STATUS_(\w+) = (\d+)/).to_h { |name, n| [n.to_i, name.downcase.to_sym] }

    expect(described_class::STATUSES).to eq(statuses)
  end

  it "has the header's constants" do
    constants = header.scan(/#define LABKIT_(\w+) (\d+)/)
    expect(constants).not_to be_empty

    constants.each do |name, value|
      expect(described_class.const_get(name)).to eq(value.to_i), name
    end
  end

  it "gives an experience the header's room" do
    words = code[/uint64_t opaque\[(\d+)\]/, 1].to_i

    expect(described_class::EXPERIENCE_BYTES).to eq(512).and eq(words * 8)
  end

  it "declares what the library exports, no more and no less" do
    symbols = IO.popen(["nm", "-D", "--defined-only", described_class.library], &:read)

    expect(symbols.scan(/ T (labkit_\w+)/).flatten.map(&:to_sym)).to match_array(described_class::FUNCTIONS.keys)
  end

  # What a C compiler makes of the header, and of our declarations: each
  # function is assigned to a pointer of the type that we call it by.
  it "has the C compiler's sizes and types" do
    c_types = { uint64: "uint64_t", int64: "int64_t", uint32: "uint32_t", int32: "int32_t", size_t: "size_t",
                bool: "bool", string: "const char *", int: "enum labkit_status" }
    asserted = described_class::FUNCTIONS.map do |name, (parameters, result)|
      pointers = prototypes.fetch(name).first.map { |text| text[/\A.*\*/] }
      types = parameters.zip(pointers).map { |type, pointer| type == :pointer ? pointer : c_types.fetch(type) }
      "_Static_assert(__builtin_types_compatible_p(__typeof__(#{name}), " \
        "#{c_types.fetch(result)}(#{types.empty? ? "void" : types.join(", ")})), \"#{name}\");"
    end
    stats = 8 * (1 + described_class::STATS_FIELDS.size)
    program = <<~C
      #include "labkit.h"
      #{asserted.join("\n")}
      _Static_assert(sizeof(labkit_experience) == #{described_class::EXPERIENCE_BYTES}, "experience");
      _Static_assert(sizeof(labkit_stats) == #{stats}, "stats");
      _Static_assert(sizeof(labkit_client) == 8 && sizeof(enum labkit_status) == 4, "client, status");
    C
    include_directory = File.expand_path("../../../../include", __dir__)
    command = [ENV.fetch("CC", "cc"), "-std=gnu11", "-fsyntax-only", "-I#{include_directory}", "-x", "c", "-"]
    output, status = Open3.capture2e(*command, stdin_data: program)

    expect(output).to eq("")
    expect(status).to be_success
  end

  it "reads the fields of the statistics in the header's order" do
    struct = code[/typedef struct labkit_stats \{(.*?)\}/m, 1]
    fields = struct.scan(/(size_t|uint64_t) (\w+);/)

    expect(fields.size).to eq(struct.count(";")) # no field of another type
    expect(fields.first).to eq(%w[size_t size])
    expect(described_class::STATS_FIELDS).to eq(fields.drop(1).map { |_, name| name.to_sym })
  end

  it "lets other threads run in the waiting calls and in no other" do
    expect(described_class::WAITING).to eq(%i[labkit_client_flush labkit_client_shutdown])
  end

  it "refuses to load without the library" do
    lib = File.expand_path("../../lib", __dir__)
    output = IO.popen(
      [{ "LABKIT_LIBRARY" => "/nowhere/liblabkit.so" }, "ruby", "-I#{lib}", "-e", <<~RUBY], &:read
        begin
          require "labkit/core"
        rescue LoadError => e
          print e.message
        end
      RUBY
    )

    expect(output).to include("/nowhere/liblabkit.so")
  end

  it "refuses a library that is too old before it misses anything in it" do
    Dir.mktmpdir do |directory|
      source = File.join(directory, "old.c")
      library = File.join(directory, "liblabkit.so.0")
      File.write(source, "unsigned labkit_abi_version(void) { return 1; }\n")
      system(ENV.fetch("CC", "cc"), "-shared", "-fPIC", "-o", library, source, exception: true)
      said, status = Open3.capture2e({ "LABKIT_LIBRARY" => library }, RbConfig.ruby, "-Ilib", "-rlabkit/core", "-e", "")

      expect(status).not_to be_success
      expect(said).to match(/#{library} is too old: interface 1, not #{described_class::ABI_VERSION} \(LoadError\)/)
    end
  end
end
