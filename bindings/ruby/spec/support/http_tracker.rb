# frozen_string_literal: true

require "json"
require "socket"
require "zlib"

# A tracker in a thread: takes batches, checks the envelope, and keeps what
# came. Plain sockets, as the standard library has no HTTP server.
class HttpTracker
  ULID = /\A[0-7][0-9A-HJKMNP-TV-Z]{25}\z/

  attr_reader :batches, :mistakes

  # @yieldparam tracker [HttpTracker]
  def self.run
    tracker = new
    yield tracker
  ensure
    tracker&.stop
  end

  def initialize
    @server = TCPServer.new("127.0.0.1", 0)
    @batches = []
    @mistakes = []
    @threads = [Thread.new { accept }]
  end

  def endpoint
    "http://127.0.0.1:#{@server.addr[1]}"
  end

  def checkpoints
    batches.flat_map { |batch| batch["body"]["checkpoints"] }
  end

  # The checkpoints of each process, by its instance id.
  def by_instance
    batches.group_by { |batch| batch["body"]["instance_id"] }
           .transform_values { |list| list.flat_map { |batch| batch["body"]["checkpoints"] } }
  end

  def stop
    @threads.each(&:kill).each(&:join)
    @server.close
  end

  private

  def accept
    loop do
      connection = @server.accept
      @threads << Thread.new { serve(connection) }
    end
  end

  def serve(connection)
    while (request = read(connection))
      body = answer(*request)
      connection.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" \
                       "Content-Length: #{body.bytesize}\r\n\r\n#{body}")
    end
  rescue SystemCallError, IOError
    nil # the client is gone
  ensure
    connection.close
  end

  def read(connection)
    line = connection.gets or return
    headers = {}
    while (header = connection.gets&.chomp) && !header.empty?
      name, value = header.split(": ", 2)
      headers[name.downcase] = value
    end
    [line.chomp, headers, connection.read(headers.fetch("content-length").to_i)]
  end

  def answer(line, headers, text)
    text = Zlib.gunzip(text) if headers["content-encoding"] == "gzip"
    body = JSON.parse(text)
    check(line == "POST /v1/checkpoints HTTP/1.1", line)
    check(headers["content-type"] == "application/json", headers)
    check_envelope(body)
    batches << { "headers" => headers, "body" => body }
    JSON.generate(
      server_timestamp: "2026-01-05T10:00:00.000Z",
      accepted: body["checkpoints"].size, duplicate: 0, rejected: []
    )
  end

  def check_envelope(body)
    check(ULID.match?(body["instance_id"]), body["instance_id"])
    check(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/.match?(body["sent_at"]), body["sent_at"])
    check(body["sdk"] == { "name" => "labkit-ruby", "version" => Labkit::Core::VERSION }, body["sdk"])
    check(body["recorded"].is_a?(Integer), body["recorded"])
    check(body["dropped"].is_a?(Hash), body["dropped"])
    check(body["checkpoints"].all? { |checkpoint| ULID.match?(checkpoint["id"]) }, "ids")
  end

  def check(holds, what)
    mistakes << what unless holds
  end
end
