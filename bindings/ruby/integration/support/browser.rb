# frozen_string_literal: true

require "net/http"
require "socket"

# Requests to a server of a test.
module Browser
  # @return [Net::HTTPResponse]
  def self.get(address, path, **headers)
    Net::HTTP.get_response(URI("#{address}#{path}"), headers.transform_keys(&:to_s))
  end

  # One request over a socket of the file system.
  # @return [String] the body
  def self.get_over(socket, path)
    UNIXSocket.open(socket) do |connection|
      connection.write("GET #{path} HTTP/1.0\r\n\r\n")
      connection.read.split("\r\n\r\n", 2).last
    end
  end
end
