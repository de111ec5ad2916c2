# frozen_string_literal: true

require "ffi"

module Labkit
  module Core
    # The C functions of include/labkit.h, and nothing more. Text goes in as a
    # String and its bytesize, never as :string, which refuses NUL bytes; the
    # buffers that the library writes to are Strings of their full length, as
    # these cost a third of an FFI::MemoryPointer.
    module Native
      extend FFI::Library

      ABI_VERSION = 2

      STATUSES = {
        0 => :ok,
        100 => :null_pointer,
        101 => :invalid_utf8,
        102 => :too_long,
        103 => :invalid_argument,
        104 => :invalid_config,
        105 => :invalid_checkpoint,
        106 => :reserved_key,
        107 => :invalid_carrier,
        108 => :invalid_size,
        200 => :invalid_handle,
        201 => :not_started,
        202 => :over,
        203 => :shut_down,
        204 => :test_only,
        205 => :not_in_carrier,
        300 => :queue_full,
        301 => :buffer_too_small,
        302 => :too_many_clients,
        303 => :deadline_exceeded,
        400 => :unknown_experience,
        401 => :invalid_definition,
        500 => :io,
        900 => :panic
      }.freeze

      OK = 0
      BUFFER_TOO_SMALL = 301

      EXIT_NORMAL = 0
      EXIT_ERROR = 1
      EXIT_NON_LOCAL = 2
      EXIT_CANCELLED = 3
      EXIT_ABANDONED = 4
      EXIT_RESTARTED = 5

      OUTCOME_SUCCESS = 0
      OUTCOME_ERROR = 1
      OUTCOME_HANDLED = 2
      OUTCOME_DISCARDED = 3

      # sizeof(labkit_experience); the size is frozen.
      EXPERIENCE_BYTES = 512
      # One that never started: the library changes only what it started.
      NEVER_STARTED = ("\0" * EXPERIENCE_BYTES).freeze

      # The counters of labkit_stats, in order, after its `size`.
      STATS_FIELDS = %i[
        recorded acknowledged rejected queued dropped dropped_queue_full dropped_queue_bytes
        dropped_shut_down dropped_expired dropped_refused dropped_too_large dropped_worker_lost
        trimmed requests retries worker_restarts dropped_spool_full dropped_spool_lost
        spooled adopted adopted_lost
      ].freeze

      TEXT = %i[pointer size_t].freeze
      BUFFER = %i[pointer size_t pointer].freeze
      private_constant :TEXT, :BUFFER

      # Name => parameters and result.
      FUNCTIONS = {
        labkit_status_message: [[:int32], :string],
        labkit_abi_version: [[], :uint32],
        labkit_version: [[], :string],
        labkit_client_new: [[*TEXT, :pointer, :size_t, :pointer], :int],
        labkit_client_set_token: [[:uint64, *TEXT], :int],
        labkit_client_flush: [%i[uint64 uint64], :int],
        labkit_client_shutdown: [%i[uint64 uint64], :int],
        labkit_client_free: [[:uint64], :int],
        labkit_client_stats: [%i[uint64 pointer], :int],
        labkit_client_drain_log: [[:uint64, *BUFFER], :int],
        labkit_definition_lookup: [[:uint64, *TEXT, :pointer], :int],
        labkit_definition_info: [[:uint64, :uint32, *BUFFER], :int],
        labkit_experience_start: [[:uint64, :uint32, *TEXT, *TEXT, :pointer], :int],
        labkit_experience_checkpoint: [[:pointer, *TEXT, *TEXT], :int],
        labkit_experience_error: [[:pointer, *TEXT], :int],
        labkit_experience_handled: [[:pointer, *TEXT], :int],
        labkit_experience_complete: [[:pointer, *TEXT], :int],
        labkit_experience_discard: [[:pointer, *TEXT, *TEXT], :int],
        labkit_experience_leave: [[:pointer, :uint32, *TEXT], :int],
        labkit_experience_leave_with: [[:pointer, :uint32, *TEXT, *TEXT], :int],
        labkit_experience_is_active: [[:pointer], :bool],
        labkit_experience_info: [[:pointer, *BUFFER], :int],
        labkit_experience_carrier: [[:pointer, *BUFFER], :int],
        labkit_experience_resume: [[:uint64, :uint32, *TEXT, *TEXT, *TEXT, *TEXT, :pointer], :int],
        labkit_observed: [[:uint64, :uint32, *TEXT, :int64, :uint32, *TEXT, *TEXT], :int],
        labkit_checkpoint_record: [[:uint64, *TEXT], :int],
        labkit_test_set_clock: [%i[uint64 int64], :int],
        labkit_test_seed_ids: [%i[uint64 uint64], :int],
        labkit_test_take: [[:uint64, *BUFFER], :int]
      }.freeze

      # These wait, so other threads must run meanwhile. No other call does,
      # and giving the lock away would cost more than the call itself.
      WAITING = %i[labkit_client_flush labkit_client_shutdown].freeze

      # LABKIT_LIBRARY, an absolute path; else the copy inside the gem; else
      # whatever the system's loader finds.
      def self.library
        given = ENV.fetch("LABKIT_LIBRARY", "")
        return given unless given.empty?

        bundled = File.join(__dir__, "liblabkit.so.0")
        File.exist?(bundled) ? bundled : "liblabkit.so.0"
      end

      begin
        ffi_lib library
      rescue LoadError => e
        raise LoadError, "labkit-core needs liblabkit.so.0: install the gem for this platform, which brings it " \
                         "along, or the library itself, or set LABKIT_LIBRARY to its path (#{e.message})"
      end
      # First of all: an old one does not have what comes next.
      attach_function :labkit_abi_version, *FUNCTIONS[:labkit_abi_version]
      if labkit_abi_version < ABI_VERSION
        raise LoadError, "#{library} is too old: interface #{labkit_abi_version}, not #{ABI_VERSION}"
      end

      FUNCTIONS.except(:labkit_abi_version).each do |name, (parameters, result)|
        attach_function name, parameters, result, blocking: WAITING.include?(name)
      end

      # The status as a Symbol; numbers of later versions keep theirs.
      def self.status(code)
        STATUSES.fetch(code) { :"status_#{code}" }
      end

      # Reads a text of unknown length: yields buffer, capacity and length,
      # again with more room if it was too small.
      # @return [Array(Integer, String)] status and text
      def self.read_text(capacity = 1024)
        length = [0].pack("J")
        loop do
          buffer = "\0" * capacity
          code = yield buffer, capacity, length
          size = length.unpack1("J")
          if code == BUFFER_TOO_SMALL && size > capacity
            capacity = size
            next
          end
          return [code, code == OK ? buffer.byteslice(0, size).force_encoding(Encoding::UTF_8) : ""]
        end
      end
    end
  end
end
