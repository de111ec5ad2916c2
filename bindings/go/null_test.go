package labkit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

// TestWork is the program that the tests below run: what a host does that
// knows nothing of the library.
func TestWork(t *testing.T) {
	mode := os.Getenv("LABKIT_TEST_WORK")
	if mode == "" {
		return
	}
	var log bytes.Buffer
	client, err := labkit.New(
		labkit.Config{Endpoint: "http://127.0.0.1:1", Definitions: definitions, Type: "web"},
		labkit.WithStrict(mode == "strict"), labkit.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if mode == "strict" {
		requireStatus(t, err, labkit.StatusIO)
		if client != nil || log.Len() > 0 || !strings.Contains(err.Error(), os.Getenv("LABKIT_TEST_REASON")) {
			t.Errorf("%v, %v, log: %s", client, err, &log)
		}
		return
	}
	check(t, err)
	ctx, xp := client.Start(t.Context(), "create_order", labkit.String("kind", "gift"))
	xp.Checkpoint("ignored").Complete()
	want := errors.New("the block's own")
	got := client.Do(ctx, "sign_in", func(context.Context, *labkit.Experience) error { return want })
	if got != want || client.Shutdown(t.Context()) != nil || client.Stats() != (labkit.Stats{}) {
		t.Errorf("%v, %+v", got, client.Stats())
	}
	line := log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "nothing will be recorded") ||
		!strings.Contains(line, os.Getenv("LABKIT_TEST_REASON")) {
		t.Errorf("log: %q", line)
	}
}

// work runs the program in both modes.
func work(t *testing.T, reason string, environment ...string) {
	t.Helper()
	for _, mode := range []string{"strict", "production"} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWork$")
		command.Env = append(os.Environ(), "LABKIT_TEST_WORK="+mode, "LABKIT_TEST_REASON="+reason)
		command.Env = append(command.Env, environment...)
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", mode, err, output)
		}
	}
}
