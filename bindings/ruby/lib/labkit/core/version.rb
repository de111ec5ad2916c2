# frozen_string_literal: true

module Labkit
  module Core
    VERSION = "0.1.0"
  end
end
