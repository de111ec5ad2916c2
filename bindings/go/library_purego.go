//go:build !cgo && !labkit_null && linux && (amd64 || arm64)

package labkit

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

const (
	// libraryVariable names the library; whoever sets it wants that one, or to
	// hear why not.
	libraryVariable = "LABKIT_LIBRARY"
	// libraryName is what the system's loader searches for otherwise.
	libraryName = "liblabkit.so.0"
	// neededABI is the header's LABKIT_ABI_VERSION.
	neededABI = 2
)

// symbol is a function of the library. Its address is written by load, and
// read only by those who have seen loadOnce succeed.
type symbol struct {
	name    string
	address uintptr
}

var symbols []*symbol

func declare(name string) *symbol {
	s := &symbol{name: name}
	symbols = append(symbols, s)
	return s
}

var (
	abiVersion           = declare("labkit_abi_version")
	statusMessage        = declare("labkit_status_message")
	clientNew            = declare("labkit_client_new")
	clientSetToken       = declare("labkit_client_set_token")
	clientFlush          = declare("labkit_client_flush")
	clientShutdown       = declare("labkit_client_shutdown")
	clientFree           = declare("labkit_client_free")
	clientStats          = declare("labkit_client_stats")
	clientDrainLog       = declare("labkit_client_drain_log")
	definitionLookup     = declare("labkit_definition_lookup")
	definitionInfo       = declare("labkit_definition_info")
	experienceStart      = declare("labkit_experience_start")
	experienceCheckpoint = declare("labkit_experience_checkpoint")
	experienceError      = declare("labkit_experience_error")
	experienceHandled    = declare("labkit_experience_handled")
	experienceComplete   = declare("labkit_experience_complete")
	experienceDiscard    = declare("labkit_experience_discard")
	experienceLeave      = declare("labkit_experience_leave")
	experienceLeaveWith  = declare("labkit_experience_leave_with")
	experienceIsActive   = declare("labkit_experience_is_active")
	experienceInfo       = declare("labkit_experience_info")
	experienceCarrier    = declare("labkit_experience_carrier")
	experienceResume     = declare("labkit_experience_resume")
	observed             = declare("labkit_observed")
	checkpointRecord     = declare("labkit_checkpoint_record")
	testSetClock         = declare("labkit_test_set_clock")
	testSeedIDs          = declare("labkit_test_seed_ids")
	testTake             = declare("labkit_test_take")
)

// loadOnce loads the library with the first client: a program that makes none
// does not touch it. It is never unloaded.
var loadOnce = sync.OnceValue(func() error {
	path := os.Getenv(libraryVariable)
	if path == "" {
		path = libraryName
	}
	if err := load(path); err != nil {
		return fmt.Errorf("%w; %s may name it by its absolute path", err, libraryVariable)
	}
	return nil
})

func load(path string) error {
	// The loader keeps its complaint for the thread that it was made on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		if strings.Contains(err.Error(), path) {
			return fmt.Errorf("the library cannot be loaded: %w", err)
		}
		return fmt.Errorf("the library cannot be loaded: %s: %w", path, err)
	}
	for _, s := range symbols {
		if s.address, err = purego.Dlsym(library, s.name); err != nil {
			return fmt.Errorf("%s is not the library, or is older than this package: %w", path, err)
		}
	}
	if version := uint32(borrow().number(abiVersion)); version < neededABI {
		return fmt.Errorf("%s is older than this package: it has ABI version %d, not %d", path, version, neededABI)
	}
	return nil
}
