# frozen_string_literal: true

require "bigdecimal"
require "date"

RSpec.describe Labkit::Core::Meta do
  def encode(value)
    described_class.encode({ a: value })
  end

  it "is nothing for no fields" do
    expect(described_class.encode({})).to be_nil
  end

  it "writes scalars as JSON.generate does" do
    fields = {
      int: -7, big: 2**70, float: 12.5, tiny: 1e-9, huge: 1e300, yes: true, no: false, null: nil,
      text: "Zoë \"Ü\" 漢字 🎉", lines: "a\nb\tc\u0001", slash: "a/b\\c", empty: "", "k\"ey" => 1, 3 => 4
    }

    expect(described_class.encode(fields)).to eq(JSON.generate(fields))
  end

  it "writes other objects as their text" do
    expect(encode(:gift)).to eq('{"a":"gift"}')
    expect(encode(Date.new(2026, 1, 5))).to eq('{"a":"2026-01-05"}')
    expect(encode(BigDecimal("1.5"))).to eq('{"a":"0.15e1"}')
  end

  it "writes what JSON cannot say as an empty object, for the library to refuse" do
    mute = Class.new { def to_s = raise("no") }.new
    endless = []
    endless << endless

    [Float::NAN, Float::INFINITY, mute, endless].each do |value|
      expect(described_class.encode(a: value, b: 2)).to eq('{"a":{},"b":2}')
    end
  end

  it "writes fields after any number of values that it could not" do
    deep = (1..200).inject("end") { |inner, _| [inner] }
    200.times { encode(deep) }

    expect(encode([[1]])).to eq('{"a":[[1]]}')
  end

  it "takes text in any encoding, good or bad" do
    expect(encode("Zo\xEB".dup.force_encoding("ISO-8859-1"))).to eq('{"a":"Zoë"}')
    expect(encode("Zoë".encode("UTF-16LE"))).to eq('{"a":"Zoë"}')
    expect(encode("Zoë".b)).to eq('{"a":"Zoë"}')
    expect(encode("caf\xFF!")).to eq('{"a":"caf�!"}')
    expect(described_class.encode("k\xFF" => 1)).to eq('{"k�":1}')
  end

  it "does not change the caller's strings" do
    text = "Zoë".b.freeze

    encode(text)
    expect(text.encoding).to eq(Encoding::ASCII_8BIT)
  end
end
