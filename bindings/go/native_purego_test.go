//go:build !cgo && !labkit_null && linux && (amd64 || arm64)

package labkit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestAProgramWhoseLibraryIsMissingRunsAndSaysSoOnce(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "liblabkit.so.0")
	work(t, missing, "LABKIT_LIBRARY="+missing)
}

func TestAFileThatIsNoLibraryIsNamed(t *testing.T) {
	text := filepath.Join(t.TempDir(), "liblabkit.so.0")
	check(t, os.WriteFile(text, []byte("no library"), 0o600))
	work(t, text, "LABKIT_LIBRARY="+text)
}

func TestAnotherLibraryIsTold(t *testing.T) {
	work(t, "libc.so.6 is not the library", "LABKIT_LIBRARY=libc.so.6")
}

func TestWithoutTheVariableTheLoadersPathIsSearched(t *testing.T) {
	work(t, "LABKIT_LIBRARY may name it", "LABKIT_LIBRARY=", "LD_LIBRARY_PATH="+t.TempDir())
}

func TestOnTheLoadersPathTheLibraryIsFound(t *testing.T) {
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestScenarios$")
	command.Env = append(os.Environ(), "LABKIT_LIBRARY=",
		"LD_LIBRARY_PATH="+filepath.Dir(os.Getenv("LABKIT_LIBRARY")))
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
