package labkit

import (
	"context"
	"strconv"
)

// Status is what the library answered. It is an error itself, so that
// errors.Is(err, labkit.StatusReservedKey) works on an [*Error].
type Status int32

// The statuses, by origin: 1xx an argument, 2xx the state, 3xx capacity, 4xx a
// definition, 5xx input and output, 9xx the library itself.
const (
	StatusOK                Status = 0
	StatusNullPointer       Status = 100
	StatusInvalidUTF8       Status = 101
	StatusTooLong           Status = 102
	StatusInvalidArgument   Status = 103
	StatusInvalidConfig     Status = 104
	StatusInvalidCheckpoint Status = 105
	StatusReservedKey       Status = 106
	StatusInvalidCarrier    Status = 107
	StatusInvalidSize       Status = 108
	StatusInvalidHandle     Status = 200
	StatusNotStarted        Status = 201
	StatusOver              Status = 202
	StatusShutDown          Status = 203
	StatusTestOnly          Status = 204
	StatusNotInCarrier      Status = 205
	StatusQueueFull         Status = 300
	StatusBufferTooSmall    Status = 301
	StatusTooManyClients    Status = 302
	StatusDeadlineExceeded  Status = 303
	StatusUnknownExperience Status = 400
	StatusInvalidDefinition Status = 401
	StatusIO                Status = 500
	StatusPanic             Status = 900
)

var statusNames = map[Status]string{
	StatusOK:                "ok",
	StatusNullPointer:       "null_pointer",
	StatusInvalidUTF8:       "invalid_utf8",
	StatusTooLong:           "too_long",
	StatusInvalidArgument:   "invalid_argument",
	StatusInvalidConfig:     "invalid_config",
	StatusInvalidCheckpoint: "invalid_checkpoint",
	StatusReservedKey:       "reserved_key",
	StatusInvalidCarrier:    "invalid_carrier",
	StatusInvalidSize:       "invalid_size",
	StatusInvalidHandle:     "invalid_handle",
	StatusNotStarted:        "not_started",
	StatusOver:              "over",
	StatusShutDown:          "shut_down",
	StatusTestOnly:          "test_only",
	StatusNotInCarrier:      "not_in_carrier",
	StatusQueueFull:         "queue_full",
	StatusBufferTooSmall:    "buffer_too_small",
	StatusTooManyClients:    "too_many_clients",
	StatusDeadlineExceeded:  "deadline_exceeded",
	StatusUnknownExperience: "unknown_experience",
	StatusInvalidDefinition: "invalid_definition",
	StatusIO:                "io",
	StatusPanic:             "panic",
}

// String is the status's name, such as "reserved_key".
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return "status_" + strconv.Itoa(int(s))
}

// Error is the library's sentence about the status.
func (s Status) Error() string {
	return nativeStatusMessage(s)
}

// isNoOp: the call found nothing to do, which is how it should be in code that
// serves many paths of which only some start an experience.
func (s Status) isNoOp() bool {
	return s == StatusOK || s == StatusNotStarted || s == StatusOver || s == StatusNotInCarrier
}

// isMistake: the program's own fault, so that it shows in development and test.
func (s Status) isMistake() bool {
	return s >= 100 && s < 200 || s >= 400 && s < 500
}

// Error is a mistake of the program, or the reason why a call with an error
// result failed.
type Error struct {
	// Op is the call: "start", "checkpoint", "new".
	Op string
	// ID is the experience's id, where the call was about one.
	ID string
	// Status says what was wrong.
	Status Status
	// Detail is the library's text about this very failure, where it has one:
	// for "new" the key or file and what was expected.
	Detail string
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	line := "labkit: " + e.Op
	if e.ID != "" {
		line += " " + e.ID
	}
	if e.Detail != "" {
		return line + ": " + e.Detail
	}
	return line + ": " + e.Status.Error() + " (" + e.Status.String() + ")"
}

// Unwrap gives the [Status].
func (e *Error) Unwrap() error {
	return e.Status
}

// Is makes a wait that ended too early a [context.DeadlineExceeded], too.
func (e *Error) Is(target error) bool {
	return target == context.DeadlineExceeded && e.Status == StatusDeadlineExceeded
}
