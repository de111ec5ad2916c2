package labkit_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

const (
	// exitRecords is what a process records before it leaves.
	exitRecords = 300
	// grace is what Shutdown is granted where nobody answers.
	grace = 500 * time.Millisecond
	// prompt is how long a process takes that does not wait for its tracker:
	// its start, the grace, and what a busy machine adds.
	prompt = 1500 * time.Millisecond
)

// exits are the ways to leave, each in a process of its own. An exit code of 7
// says that it was left as meant.
var exits = map[string]func(shutdown func()){
	"by return":  func(shutdown func()) { shutdown() },
	"by os.Exit": func(shutdown func()) { shutdown(); os.Exit(7) },
	"by os.Exit in a goroutine": func(shutdown func()) {
		go func() { shutdown(); os.Exit(7) }()
		select {}
	},
	"from a locked thread": func(shutdown func()) {
		runtime.LockOSThread()
		shutdown()
		os.Exit(7)
	},
	"by a panic": func(shutdown func()) {
		defer func() { _ = recover(); os.Exit(7) }()
		defer shutdown()
		panic("a problem")
	},
	"by a signal": func(shutdown func()) {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		<-ctx.Done()
		shutdown()
		os.Exit(7)
	},
}

// TestLeave is the process that the tests below start and watch.
func TestLeave(t *testing.T) {
	way := os.Getenv("LABKIT_TEST_EXIT")
	if way == "" {
		return
	}
	endpoint := os.Getenv("LABKIT_TEST_ENDPOINT")
	client, err := labkit.New(labkit.Config{
		Endpoint: endpoint, Definitions: definitions, Type: "web",
		Settings: map[string]any{"batch_age_ms": 60_000},
	})
	check(t, err)
	for range exitRecords {
		_, _ = client.Start(t.Context(), "create_order")
	}
	exits[way](func() {
		patience := grace
		if os.Getenv("LABKIT_TEST_PATIENT") != "" {
			patience = 10 * time.Second
		}
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		_ = client.Shutdown(ctx)
	})
}

// leave runs the process, and gives how long it took.
func leave(t *testing.T, way, endpoint string, environment ...string) time.Duration {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestLeave$")
	command.Env = append(os.Environ(), "LABKIT_TEST_EXIT="+way, "LABKIT_TEST_ENDPOINT="+endpoint,
		"GORACE=atexit_sleep_ms=0") // the race detector's own second at the end
	command.Env = append(command.Env, environment...)
	begun := time.Now()
	output, err := command.CombinedOutput()
	took := time.Since(begun)
	want := 7
	if way == "by return" {
		want = 0
	}
	if code := command.ProcessState.ExitCode(); code != want {
		t.Fatalf("%s: exit code %d, %v: %s", way, code, err, output)
	}
	return took
}

func TestAProcessThatShutsDownLosesNothing(t *testing.T) {
	for way := range exits {
		t.Run(way, func(t *testing.T) {
			tr := newTracker(t)
			leave(t, way, tr.URL, "LABKIT_TEST_PATIENT=1")
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if arrived := len(tr.checkpoints); arrived != exitRecords {
				t.Errorf("%d of %d arrived", arrived, exitRecords)
			}
		})
	}
}

func TestAProcessEndsInTimeWhileNobodyAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer silent.Close()
	for way := range exits {
		if took := leave(t, way, "http://"+silent.Addr().String()); took > prompt {
			t.Errorf("%s took %v", way, took)
		}
	}
}

func TestAProcessEndsInTimeWhileTheResolverHangs(t *testing.T) {
	preload := os.Getenv("LABKIT_SILENT_DNS")
	if _, err := os.Stat(preload); err != nil {
		t.Fatalf("LABKIT_SILENT_DNS: %v", err)
	}
	for way := range exits {
		took := leave(t, way, "http://tracker.example.", "LD_PRELOAD="+preload)
		if took > prompt || took < grace {
			t.Errorf("%s took %v", way, took)
		}
	}
}

// TestShutdownKeepsItsDeadline measures the call itself, not the process.
func TestShutdownKeepsItsDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer silent.Close()
	client := newClient(t, labkit.Config{
		Endpoint: "http://" + silent.Addr().String(), Definitions: definitions, Type: "web",
	})
	_, _ = client.Start(t.Context(), "create_order")
	ctx, stop := context.WithTimeout(t.Context(), grace)
	defer stop()
	begun := time.Now()
	requireStatus(t, client.Shutdown(ctx), labkit.StatusDeadlineExceeded)
	if took := time.Since(begun); took > grace+100*time.Millisecond {
		t.Errorf("took %v", took)
	}
	requireBalance(t, client.Stats())
}
