//go:build !cgo && !labkit_null && linux && (amd64 || arm64)

package labkit

import (
	"bytes"
	"unsafe"
)

// Every call into a library that is loaded at run time, and nothing else. The
// methods of frame that a call is made with say its parameters' types; a test
// compares them with the header.

type rawExperience struct{ opaque [64]uint64 }

type handle = uint64

// rawStats is the library's struct: Stats has its fields in its order.
type rawStats struct {
	size uint64
	Stats
}

func nativeLoad() error {
	return loadOnce()
}

func nativeNew(config []byte) (client handle, detail string, s Status) {
	// A path and a sentence about it; longer ones are cut.
	message, out := make([]byte, 1024), new(handle)
	s = borrow().blob(config).room(message).clientOut(out).call(clientNew)
	if s != StatusOK {
		end := max(bytes.IndexByte(message, 0), 0)
		return 0, string(message[:end]), s
	}
	return *out, "", StatusOK
}

func nativeSetToken(client handle, token string) Status {
	return borrow().client(client).text(token).call(clientSetToken)
}

func nativeFlush(client handle, ms uint64) Status {
	return borrow().client(client).uint64(ms).call(clientFlush)
}

func nativeShutdown(client handle, ms uint64) Status {
	return borrow().client(client).uint64(ms).call(clientShutdown)
}

func nativeFree(client handle) Status {
	return borrow().client(client).call(clientFree)
}

func nativeStats(client handle) (Stats, Status) {
	out := &rawStats{size: uint64(unsafe.Sizeof(rawStats{}))}
	s := borrow().client(client).statsOut(out).call(clientStats)
	return out.Stats, s
}

func nativeDrainLog(client handle) (string, Status) {
	return fetch(2048, func(buf []byte, size *uint64) Status {
		return borrow().client(client).room(buf).sizeOut(size).call(clientDrainLog)
	})
}

func nativeLookup(client handle, id string) (uint32, Status) {
	out := new(uint32)
	s := borrow().client(client).text(id).uint32Out(out).call(definitionLookup)
	return *out, s
}

func nativeDefinitionInfo(client handle, definition uint32) (string, Status) {
	return fetch(512, func(buf []byte, size *uint64) Status {
		return borrow().client(client).uint32(definition).room(buf).sizeOut(size).call(definitionInfo)
	})
}

func nativeStart(client handle, definition uint32, correlation string, meta []byte, out *rawExperience) Status {
	return borrow().client(client).uint32(definition).text(correlation).blob(meta).experience(out).
		call(experienceStart)
}

func nativeCheckpoint(xp *rawExperience, category string, meta []byte) Status {
	return borrow().experience(xp).text(category).blob(meta).call(experienceCheckpoint)
}

func nativeError(xp *rawExperience, reason string) Status {
	return borrow().experience(xp).text(reason).call(experienceError)
}

func nativeHandled(xp *rawExperience, reason string) Status {
	return borrow().experience(xp).text(reason).call(experienceHandled)
}

func nativeComplete(xp *rawExperience, meta []byte) Status {
	return borrow().experience(xp).blob(meta).call(experienceComplete)
}

func nativeDiscard(xp *rawExperience, reason string, meta []byte) Status {
	return borrow().experience(xp).text(reason).blob(meta).call(experienceDiscard)
}

func nativeLeave(xp *rawExperience, how exit, reason string) Status {
	return borrow().experience(xp).uint32(uint32(how)).text(reason).call(experienceLeave)
}

func nativeLeaveWith(xp *rawExperience, how exit, reason string, meta []byte) Status {
	return borrow().experience(xp).uint32(uint32(how)).text(reason).blob(meta).call(experienceLeaveWith)
}

func nativeIsActive(xp *rawExperience) bool {
	return borrow().experience(xp).truth(experienceIsActive)
}

func nativeExperienceInfo(xp *rawExperience) (string, Status) {
	return fetch(512, func(buf []byte, size *uint64) Status {
		return borrow().experience(xp).room(buf).sizeOut(size).call(experienceInfo)
	})
}

func nativeCarrier(xp *rawExperience) (string, Status) {
	return fetch(256, func(buf []byte, size *uint64) Status {
		return borrow().experience(xp).room(buf).sizeOut(size).call(experienceCarrier)
	})
}

func nativeResume(
	client handle, definition uint32, carrier, job, category string, meta []byte, out *rawExperience,
) Status {
	return borrow().client(client).uint32(definition).text(carrier).text(job).text(category).blob(meta).
		experience(out).call(experienceResume)
}

func nativeObserved(
	client handle, definition uint32, correlation string, startMs int64, outcome Outcome, reason string, meta []byte,
) Status {
	return borrow().client(client).uint32(definition).text(correlation).int64(startMs).uint32(uint32(outcome)).
		text(reason).blob(meta).call(observed)
}

func nativeRecord(client handle, payload []byte) Status {
	return borrow().client(client).blob(payload).call(checkpointRecord)
}

func nativeTestSetClock(client handle, ms int64) Status {
	return borrow().client(client).int64(ms).call(testSetClock)
}

func nativeTestSeedIDs(client handle, seed uint64) Status {
	return borrow().client(client).uint64(seed).call(testSeedIDs)
}

func nativeTestTake(client handle) (string, Status) {
	return fetch(16*1024, func(buf []byte, size *uint64) Status {
		return borrow().client(client).room(buf).sizeOut(size).call(testTake)
	})
}

func nativeStatusMessage(s Status) string {
	if loadOnce() != nil {
		return "status " + s.String()
	}
	return borrow().int32(int32(s)).sentence(statusMessage)
}

// fetch reads a text of unknown length; it may grow between two attempts.
func fetch(room int, call func(buf []byte, size *uint64) Status) (string, Status) {
	size := new(uint64)
	for {
		buf := make([]byte, room)
		switch s := call(buf, size); {
		case s == StatusOK:
			return string(buf[:*size]), StatusOK
		case s != StatusBufferTooSmall:
			return "", s
		}
		room = int(*size)
	}
}
