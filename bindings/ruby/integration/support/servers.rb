# frozen_string_literal: true

require_relative "wait"

# The processes that an example starts; what is left of them is ended by id.
class Servers
  # @yieldparam servers [Servers]
  def self.run(directory)
    servers = new(directory)
    yield servers
  ensure
    servers&.end_all
  end

  def initialize(directory)
    @directory = directory
    @logs = {}
  end

  # @return [Integer] its process id
  def start(environment, *command, chdir: @directory)
    log = File.join(@directory, "#{@logs.size}.log")
    pid = Process.spawn(environment, *command, chdir:, out: log, err: %i[child out], in: File::NULL)
    @logs[pid] = log
    pid
  end

  def log(pid)
    File.read(@logs.fetch(pid))
  end

  # Waits for a line of the process's output.
  # @return [MatchData]
  def await(pid, pattern)
    Wait.until("a line like #{pattern.inspect}") do
      raise "it ended early:\n#{log(pid)}" if Process.wait(pid, Process::WNOHANG)

      log(pid).match(pattern)
    end
  rescue RuntimeError => e
    raise "#{e.message}\n#{log(pid)}"
  end

  # Ends it as an operator would, and waits.
  # @return [Process::Status]
  def stop(pid, signal = :TERM)
    Process.kill(signal, pid)
    status = nil
    Wait.until("the end of #{pid}") { status = Process.wait2(pid, Process::WNOHANG)&.last }
    @logs.delete(pid)
    status
  end

  # Runs a program to its end.
  # @return [String] its output
  def run(environment, *command, chdir: @directory, input: File::NULL)
    output = IO.popen(environment, command, chdir:, err: %i[child out], in: input, &:read)
    raise "#{command.join(" ")}: #{Process.last_status}\n#{output}" unless Process.last_status.success?

    output
  end

  def end_all
    @logs.each_key do |pid|
      Process.kill(:KILL, pid)
      Process.wait(pid)
    rescue Errno::ESRCH, Errno::ECHILD
      next
    end
  end
end
