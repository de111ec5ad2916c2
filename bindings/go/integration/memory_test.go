package integration_test

import (
	"strconv"
	"strings"
	"testing"
)

// slope is the most that a process may grow by from one 400,000 calls to the
// next, of 1,000,000: half a byte a call. The C library's allocator and Go's move
// by some pages for reasons of their own.
const slope = 200 * 1000

func TestAMillionCallsLeaveNoMemoryBehind(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			directory := write(t, t.TempDir(), definitions)
			tr := track(t, directory)
			go func() { // the log of a million is not of interest, and must not stop it
				for range tr.events {
				}
			}()
			printed := run(t, ".", environment(t, "TRACKER="+tr.url, "DEFINITIONS="+directory), f.program(t, "calls"))
			grown, err := strconv.Atoi(strings.TrimSpace(printed))
			check(t, err)
			t.Logf("%s: %d bytes more", f.name, grown)
			if grown > slope {
				t.Errorf("it grew by %d bytes", grown)
			}
		})
	}
}
