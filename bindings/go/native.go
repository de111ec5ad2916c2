//go:build cgo && !labkit_null

package labkit

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #include "labkit.h"
//
// // The library keeps no pointer and calls nobody back, so Go need not move
// // arguments to the heap or prepare for a return on another stack.
// #cgo noescape labkit_client_new
// #cgo nocallback labkit_client_new
// #cgo noescape labkit_client_set_token
// #cgo nocallback labkit_client_set_token
// #cgo noescape labkit_client_flush
// #cgo nocallback labkit_client_flush
// #cgo noescape labkit_client_shutdown
// #cgo nocallback labkit_client_shutdown
// #cgo noescape labkit_client_free
// #cgo nocallback labkit_client_free
// #cgo noescape labkit_client_stats
// #cgo nocallback labkit_client_stats
// #cgo noescape labkit_client_drain_log
// #cgo nocallback labkit_client_drain_log
// #cgo noescape labkit_definition_lookup
// #cgo nocallback labkit_definition_lookup
// #cgo noescape labkit_definition_info
// #cgo nocallback labkit_definition_info
// #cgo noescape labkit_experience_start
// #cgo nocallback labkit_experience_start
// #cgo noescape labkit_experience_checkpoint
// #cgo nocallback labkit_experience_checkpoint
// #cgo noescape labkit_experience_error
// #cgo nocallback labkit_experience_error
// #cgo noescape labkit_experience_handled
// #cgo nocallback labkit_experience_handled
// #cgo noescape labkit_experience_complete
// #cgo nocallback labkit_experience_complete
// #cgo noescape labkit_experience_discard
// #cgo nocallback labkit_experience_discard
// #cgo noescape labkit_experience_leave
// #cgo nocallback labkit_experience_leave
// #cgo noescape labkit_experience_leave_with
// #cgo nocallback labkit_experience_leave_with
// #cgo noescape labkit_experience_is_active
// #cgo nocallback labkit_experience_is_active
// #cgo noescape labkit_experience_info
// #cgo nocallback labkit_experience_info
// #cgo noescape labkit_experience_carrier
// #cgo nocallback labkit_experience_carrier
// #cgo noescape labkit_experience_resume
// #cgo nocallback labkit_experience_resume
// #cgo noescape labkit_observed
// #cgo nocallback labkit_observed
// #cgo noescape labkit_checkpoint_record
// #cgo nocallback labkit_checkpoint_record
// #cgo noescape labkit_test_set_clock
// #cgo nocallback labkit_test_set_clock
// #cgo noescape labkit_test_seed_ids
// #cgo nocallback labkit_test_seed_ids
// #cgo noescape labkit_test_take
// #cgo nocallback labkit_test_take
import "C"

import (
	"bytes"
	"fmt"
	"unsafe"
)

// Every call into a library that is linked, and nothing else. A build without
// cgo has these functions from native_purego.go, one without the library from
// native_null.go.

// rawExperience is the library's value: it holds no pointers, so the garbage
// collector does not look into it.
type rawExperience = C.labkit_experience

// handle is the library's number for a client; 0 is never one.
type handle = uint64

// text passes Go's own bytes; they stay where they are during the call. The
// empty text is absent, as in Go the zero value means "not given".
func text(s string) (*C.char, C.size_t) {
	if s == "" {
		return nil, 0
	}
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

func blob(b []byte) (*C.char, C.size_t) {
	if len(b) == 0 {
		return nil, 0
	}
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))), C.size_t(len(b))
}

// nativeLoad finds nothing to load: the linker has. A shared library may be
// another than it saw.
func nativeLoad() error {
	if version := uint32(C.labkit_abi_version()); version < C.LABKIT_ABI_VERSION {
		return fmt.Errorf("the library is older than this package: it has ABI version %d, not %d",
			version, uint32(C.LABKIT_ABI_VERSION))
	}
	return nil
}

func nativeNew(config []byte) (client handle, detail string, s Status) {
	// A path and a sentence about it; longer ones are cut.
	var message [1024]byte
	var out C.labkit_client
	data, size := blob(config)
	buf, room := blob(message[:])
	s = Status(C.labkit_client_new(data, size, buf, room, &out))
	if s != StatusOK {
		end := max(bytes.IndexByte(message[:], 0), 0)
		return 0, string(message[:end]), s
	}
	return handle(out), "", StatusOK
}

func nativeStatusMessage(s Status) string {
	return C.GoString(C.labkit_status_message(C.int32_t(s)))
}

func nativeSetToken(client handle, token string) Status {
	data, size := text(token)
	return Status(C.labkit_client_set_token(C.labkit_client(client), data, size))
}

func nativeFlush(client handle, ms uint64) Status {
	return Status(C.labkit_client_flush(C.labkit_client(client), C.uint64_t(ms)))
}

func nativeShutdown(client handle, ms uint64) Status {
	return Status(C.labkit_client_shutdown(C.labkit_client(client), C.uint64_t(ms)))
}

func nativeFree(client handle) Status {
	return Status(C.labkit_client_free(C.labkit_client(client)))
}

func nativeStats(client handle) (Stats, Status) {
	var out C.labkit_stats
	out.size = C.sizeof_labkit_stats
	s := Status(C.labkit_client_stats(C.labkit_client(client), &out))
	if s != StatusOK {
		return Stats{}, s
	}
	return Stats{
		Recorded:          uint64(out.recorded),
		Acknowledged:      uint64(out.acknowledged),
		Rejected:          uint64(out.rejected),
		Queued:            uint64(out.queued),
		Dropped:           uint64(out.dropped),
		DroppedQueueFull:  uint64(out.dropped_queue_full),
		DroppedQueueBytes: uint64(out.dropped_queue_bytes),
		DroppedShutDown:   uint64(out.dropped_shut_down),
		DroppedExpired:    uint64(out.dropped_expired),
		DroppedRefused:    uint64(out.dropped_refused),
		DroppedTooLarge:   uint64(out.dropped_too_large),
		DroppedWorkerLost: uint64(out.dropped_worker_lost),
		Trimmed:           uint64(out.trimmed),
		Requests:          uint64(out.requests),
		Retries:           uint64(out.retries),
		WorkerRestarts:    uint64(out.worker_restarts),
		DroppedSpoolFull:  uint64(out.dropped_spool_full),
		DroppedSpoolLost:  uint64(out.dropped_spool_lost),
		Spooled:           uint64(out.spooled),
		Adopted:           uint64(out.adopted),
		AdoptedLost:       uint64(out.adopted_lost),
	}, StatusOK
}

func nativeDrainLog(client handle) (string, Status) {
	return fetch(2048, func(buf *C.char, room C.size_t, size *C.size_t) Status {
		return Status(C.labkit_client_drain_log(C.labkit_client(client), buf, room, size))
	})
}

func nativeLookup(client handle, id string) (uint32, Status) {
	var out C.uint32_t
	data, size := text(id)
	s := Status(C.labkit_definition_lookup(C.labkit_client(client), data, size, &out))
	return uint32(out), s
}

func nativeDefinitionInfo(client handle, definition uint32) (string, Status) {
	return fetch(512, func(buf *C.char, room C.size_t, size *C.size_t) Status {
		return Status(C.labkit_definition_info(C.labkit_client(client), C.uint32_t(definition), buf, room, size))
	})
}

func nativeStart(client handle, definition uint32, correlation string, meta []byte, out *rawExperience) Status {
	id, idSize := text(correlation)
	data, size := blob(meta)
	return Status(C.labkit_experience_start(
		C.labkit_client(client), C.uint32_t(definition), id, idSize, data, size, out))
}

func nativeCheckpoint(xp *rawExperience, category string, meta []byte) Status {
	name, nameSize := text(category)
	data, size := blob(meta)
	return Status(C.labkit_experience_checkpoint(xp, name, nameSize, data, size))
}

func nativeError(xp *rawExperience, reason string) Status {
	data, size := text(reason)
	return Status(C.labkit_experience_error(xp, data, size))
}

func nativeHandled(xp *rawExperience, reason string) Status {
	data, size := text(reason)
	return Status(C.labkit_experience_handled(xp, data, size))
}

func nativeComplete(xp *rawExperience, meta []byte) Status {
	data, size := blob(meta)
	return Status(C.labkit_experience_complete(xp, data, size))
}

func nativeDiscard(xp *rawExperience, reason string, meta []byte) Status {
	why, whySize := text(reason)
	data, size := blob(meta)
	return Status(C.labkit_experience_discard(xp, why, whySize, data, size))
}

func nativeLeave(xp *rawExperience, how exit, reason string) Status {
	data, size := text(reason)
	return Status(C.labkit_experience_leave(xp, C.uint32_t(how), data, size))
}

func nativeLeaveWith(xp *rawExperience, how exit, reason string, meta []byte) Status {
	why, whySize := text(reason)
	data, size := blob(meta)
	return Status(C.labkit_experience_leave_with(xp, C.uint32_t(how), why, whySize, data, size))
}

func nativeIsActive(xp *rawExperience) bool {
	return bool(C.labkit_experience_is_active(xp))
}

func nativeExperienceInfo(xp *rawExperience) (string, Status) {
	return fetch(512, func(buf *C.char, room C.size_t, size *C.size_t) Status {
		return Status(C.labkit_experience_info(xp, buf, room, size))
	})
}

func nativeCarrier(xp *rawExperience) (string, Status) {
	return fetch(256, func(buf *C.char, room C.size_t, size *C.size_t) Status {
		return Status(C.labkit_experience_carrier(xp, buf, room, size))
	})
}

func nativeResume(
	client handle, definition uint32, carrier, job, category string, meta []byte, out *rawExperience,
) Status {
	load, loadSize := text(carrier)
	id, idSize := text(job)
	name, nameSize := text(category)
	data, size := blob(meta)
	return Status(C.labkit_experience_resume(
		C.labkit_client(client), C.uint32_t(definition),
		load, loadSize, id, idSize, name, nameSize, data, size, out))
}

func nativeObserved(
	client handle, definition uint32, correlation string, startMs int64, outcome Outcome, reason string, meta []byte,
) Status {
	id, idSize := text(correlation)
	why, whySize := text(reason)
	data, size := blob(meta)
	return Status(C.labkit_observed(
		C.labkit_client(client), C.uint32_t(definition), id, idSize,
		C.int64_t(startMs), C.uint32_t(outcome), why, whySize, data, size))
}

func nativeRecord(client handle, payload []byte) Status {
	data, size := blob(payload)
	return Status(C.labkit_checkpoint_record(C.labkit_client(client), data, size))
}

func nativeTestSetClock(client handle, ms int64) Status {
	return Status(C.labkit_test_set_clock(C.labkit_client(client), C.int64_t(ms)))
}

func nativeTestSeedIDs(client handle, seed uint64) Status {
	return Status(C.labkit_test_seed_ids(C.labkit_client(client), C.uint64_t(seed)))
}

func nativeTestTake(client handle) (string, Status) {
	return fetch(16*1024, func(buf *C.char, room C.size_t, size *C.size_t) Status {
		return Status(C.labkit_test_take(C.labkit_client(client), buf, room, size))
	})
}

// fetch reads a text of unknown length; it may grow between two attempts.
func fetch(room int, call func(buf *C.char, room C.size_t, size *C.size_t) Status) (string, Status) {
	for {
		buf := make([]byte, room)
		var size C.size_t
		data, capacity := blob(buf)
		switch s := call(data, capacity, &size); {
		case s == StatusOK:
			return string(buf[:size]), StatusOK
		case s != StatusBufferTooSmall:
			return "", s
		}
		room = int(size)
	}
}
