package labkit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheReadmeShowsWhatRuns(t *testing.T) {
	runs := squeezed(t, "example_test.go") + squeezed(t, "labkittest/recorder_test.go") +
		squeezed(t, "labkitgrpc/example_test.go")
	readme, err := os.ReadFile("README.md")
	check(t, err)
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(snippets) == 0 {
		t.Fatal("no snippets")
	}
	for _, s := range snippets {
		if !strings.Contains(runs, strings.Join(strings.Fields(s[1]), " ")) {
			t.Errorf("no test runs this:\n%s", s[1])
		}
	}
}

// squeezed is a file without its indentation.
func squeezed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	check(t, err)
	return strings.Join(strings.Fields(string(text)), " ")
}
