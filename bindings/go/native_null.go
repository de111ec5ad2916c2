//go:build labkit_null || (!cgo && !(linux && (amd64 || arm64)))

package labkit

import "errors"

// A program without the library: by choice, or on a system that the package
// cannot load it on. It compiles and runs, and every client is a null one. Of
// the functions below only nativeLoad is ever called, and the text of a status.

type rawExperience struct{ _ [64]uint64 }

type handle = uint64

func nativeLoad() error {
	return errors.New("this program was built without the library: " +
		"build it without the tag labkit_null, and on systems other than Linux with cgo")
}

func nativeNew([]byte) (handle, string, Status) { return 0, "", StatusInvalidHandle }

func nativeStatusMessage(s Status) string                  { return "status " + s.String() }
func nativeSetToken(handle, string) Status                 { return StatusInvalidHandle }
func nativeFlush(handle, uint64) Status                    { return StatusInvalidHandle }
func nativeShutdown(handle, uint64) Status                 { return StatusInvalidHandle }
func nativeFree(handle) Status                             { return StatusInvalidHandle }
func nativeStats(handle) (Stats, Status)                   { return Stats{}, StatusInvalidHandle }
func nativeDrainLog(handle) (string, Status)               { return "", StatusInvalidHandle }
func nativeLookup(handle, string) (uint32, Status)         { return 0, StatusInvalidHandle }
func nativeDefinitionInfo(handle, uint32) (string, Status) { return "", StatusInvalidHandle }

func nativeStart(handle, uint32, string, []byte, *rawExperience) Status {
	return StatusInvalidHandle
}

func nativeCheckpoint(*rawExperience, string, []byte) Status      { return StatusNotStarted }
func nativeError(*rawExperience, string) Status                   { return StatusNotStarted }
func nativeHandled(*rawExperience, string) Status                 { return StatusNotStarted }
func nativeComplete(*rawExperience, []byte) Status                { return StatusNotStarted }
func nativeDiscard(*rawExperience, string, []byte) Status         { return StatusNotStarted }
func nativeLeave(*rawExperience, exit, string) Status             { return StatusNotStarted }
func nativeLeaveWith(*rawExperience, exit, string, []byte) Status { return StatusNotStarted }
func nativeIsActive(*rawExperience) bool                          { return false }
func nativeExperienceInfo(*rawExperience) (string, Status)        { return "", StatusNotStarted }
func nativeCarrier(*rawExperience) (string, Status)               { return "", StatusNotStarted }
func nativeRecord(handle, []byte) Status                          { return StatusInvalidHandle }
func nativeTestSetClock(handle, int64) Status                     { return StatusInvalidHandle }
func nativeTestSeedIDs(handle, uint64) Status                     { return StatusInvalidHandle }
func nativeTestTake(handle) (string, Status)                      { return "", StatusInvalidHandle }

func nativeResume(handle, uint32, string, string, string, []byte, *rawExperience) Status {
	return StatusInvalidHandle
}

func nativeObserved(handle, uint32, string, int64, Outcome, string, []byte) Status {
	return StatusInvalidHandle
}
