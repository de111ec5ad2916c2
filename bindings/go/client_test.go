package labkit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

func TestConfigurationErrorsNameTheKey(t *testing.T) {
	good := labkit.Config{Definitions: definitions, Type: "web", Transport: "memory"}
	for key, spoil := range map[string]func(*labkit.Config){
		"type":         func(c *labkit.Config) { c.Type = "Web" },
		"definitions":  func(c *labkit.Config) { c.Definitions = "" },
		"endpoint":     func(c *labkit.Config) { c.Transport, c.Endpoint = "", "ftp://x" },
		"transport":    func(c *labkit.Config) { c.Transport = "carrier pigeon" },
		"queue_items":  func(c *labkit.Config) { c.QueueItems = -1 },
		"batch_age_ms": func(c *labkit.Config) { c.BatchAge = 2 * time.Hour },
		"endpont":      func(c *labkit.Config) { c.Settings = map[string]any{"endpont": "x"} },
		"Settings":     func(c *labkit.Config) { c.Settings = map[string]any{"type": make(chan int)} },
	} {
		config := good
		spoil(&config)
		client, err := labkit.New(config)
		if client != nil {
			t.Errorf("%s: there is a client", key)
		}
		requireStatus(t, err, labkit.StatusInvalidConfig)
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
	config := good
	config.Definitions = filepath.Join(t.TempDir(), "nowhere")
	_, err := labkit.New(config)
	requireStatus(t, err, labkit.StatusIO)
	if !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
}

func TestABadDefinitionFailsOnlyInDevelopment(t *testing.T) {
	folder := t.TempDir()
	check(t, os.WriteFile(filepath.Join(folder, "broken.yml"), []byte("urgency: never\n"), 0o600))
	var log bytes.Buffer
	config := labkit.Config{
		Definitions: folder, Type: "web", Transport: "memory",
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	newClient(t, config)
	if !strings.Contains(log.String(), "broken.yml") {
		t.Errorf("the file is not reported: %q", log.String())
	}
	config.Strict = true
	_, err := labkit.New(config)
	requireStatus(t, err, labkit.StatusInvalidDefinition)
	if !strings.Contains(err.Error(), "broken.yml") {
		t.Error(err)
	}
}

func TestAnUnknownIdIsAnErrorOfLookupAndAMistakeElsewhere(t *testing.T) {
	strict := newMemoryClient(t, true, nil)
	_, err := strict.Lookup("nobody_wrote_this")
	requireStatus(t, err, labkit.StatusUnknownExperience)
	var typed *labkit.Error
	if !errors.As(err, &typed) || typed.ID != "nobody_wrote_this" {
		t.Errorf("%#v", err)
	}
	if got := mistake(func() { strict.Definition("nobody_wrote_this") }); got != "unknown_experience" {
		t.Error(got)
	}
	ran := false
	got := mistake(func() {
		_ = strict.Do(t.Context(), "nobody_wrote_this", func(context.Context, *labkit.Experience) error {
			ran = true
			return nil
		})
	})
	if got != "unknown_experience" || ran {
		t.Errorf("%s, ran: %v", got, ran)
	}
	production := newMemoryClient(t, false, nil)
	if d := production.Definition("nobody_wrote_this"); d == nil || d.ID() != "nobody_wrote_this" {
		t.Errorf("%v", d)
	}
}

func TestADefinitionAndAnExperienceDescribeThemselves(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	at := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	check(t, client.Testing().SetClock(at))
	info := client.Definition("create_order").Info()
	if info.FeatureCategory != "checkout" || info.Urgency != "custom" || info.ApdexThresholdS != 10 || info.TTLS != 120 {
		t.Errorf("%+v", info)
	}
	const id = "01KE6Y6MG0AAAAAAAAAAAAAAAA"
	_, xp := client.Start(t.Context(), "create_order", labkit.WithCorrelation(id))
	xp.Handled("out_of_stock")
	want := labkit.ExperienceInfo{
		UserExperienceID: "create_order", CorrelationID: id, StartTime: at,
		Active: true, Outcome: "handled", Reason: "out_of_stock",
	}
	if got := xp.Info(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestTheFirstProblemOfAKindIsLoggedOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	client := newClient(t, labkit.Config{
		Definitions: definitions, Type: "web", Transport: "memory",
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	now := time.Now()
	client.SetNow(func() time.Time { return now })
	unknown := func() { client.Start(t.Context(), "nobody_wrote_this") }
	lines := func() int { return strings.Count(log.String(), "\n") }

	for range 5 {
		unknown()
	}
	if lines() != 1 || !strings.Contains(log.String(), "unknown_experience") ||
		!strings.Contains(log.String(), "nobody_wrote_this") {
		t.Errorf("%s", log.String())
	}
	now = now.Add(59 * time.Second)
	unknown()
	if lines() != 1 {
		t.Error("it was repeated within a minute")
	}
	client.Record([]byte("no json"))
	if lines() != 2 {
		t.Error("a problem of another kind was not logged")
	}
	now = now.Add(time.Second)
	unknown()
	if lines() != 3 {
		t.Error("it was not repeated after a minute")
	}
}

func TestNothingRaisesAfterShutdown(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	_, before := client.Start(t.Context(), "create_order")
	check(t, client.Shutdown(t.Context()))
	check(t, client.Shutdown(t.Context()))
	before.Checkpoint("late").Complete()
	_, after := client.Start(t.Context(), "sign_in")
	after.Complete()
	stats := client.Stats()
	requireBalance(t, stats)
	if stats.Acknowledged != 1 || stats.DroppedShutDown != 4 {
		t.Errorf("%+v", stats)
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	silent := blackHole(t)
	client := newClient(t, labkit.Config{
		Definitions: definitions, Type: "web", Endpoint: silent, Strict: true, QueueItems: 4,
	})
	_, xp := client.Start(t.Context(), "create_order")
	for range 2000 {
		xp.Checkpoint("more")
	}
	stats := client.Stats()
	requireBalance(t, stats)
	if stats.DroppedQueueFull == 0 || stats.Recorded != 2001 {
		t.Errorf("%+v", stats)
	}
}

func TestFlushAndShutdownKeepTheirDeadlineAgainstABlackHole(t *testing.T) {
	client := newClient(t, labkit.Config{Definitions: definitions, Type: "web", Endpoint: blackHole(t)})
	client.Start(t.Context(), "create_order")
	requireDeadline(t, "flush", client.Flush, 50*time.Millisecond)
	requireDeadline(t, "shutdown", client.Shutdown, 200*time.Millisecond)
	stats := client.Stats()
	requireBalance(t, stats)
	if stats.Dropped != 1 {
		t.Errorf("%+v", stats)
	}
}

func requireDeadline(t *testing.T, name string, wait func(context.Context) error, timeout time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), timeout)
	defer stop()
	begun := time.Now()
	err := wait(ctx)
	// A busy machine may add to it; without a deadline it would be ten seconds.
	if took := time.Since(begun); took > timeout+2*time.Second {
		t.Errorf("%s took %v", name, took)
	}
	requireStatus(t, err, labkit.StatusDeadlineExceeded)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("it is no context.DeadlineExceeded")
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	client := newClient(t, labkit.Config{Definitions: definitions, Type: "web", Endpoint: blackHole(t)})
	client.Start(t.Context(), "create_order")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errDeclined)
	if err := client.Flush(ctx); err != errDeclined {
		t.Error(err)
	}
}

func TestATokenMustBePrintable(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	check(t, client.SetToken("secret"))
	requireStatus(t, client.SetToken("a\nb"), labkit.StatusInvalidArgument)
}

func TestOnlyTheMemoryTransportIsForTests(t *testing.T) {
	client := newClient(t, labkit.Config{Definitions: definitions, Type: "web", Endpoint: "http://127.0.0.1:9"})
	_, err := client.Testing().Take()
	requireStatus(t, err, labkit.StatusTestOnly)
	requireStatus(t, client.Testing().SetClock(time.Now()), labkit.StatusTestOnly)
	requireStatus(t, client.Testing().SeedIDs(1), labkit.StatusTestOnly)
}

func TestANilClientIsNull(t *testing.T) {
	var client *labkit.Client
	ctx, xp := client.Start(t.Context(), "create_order")
	if ctx != t.Context() || xp != nil {
		t.Error("it started something")
	}
	_, resumed := client.Resume(ctx, "create_order", `{"create_order":{}}`)
	client.Observed(ctx, "create_order", labkit.Observation{})
	client.Record(nil)
	check(t, client.SetToken("x"))
	check(t, client.Flush(ctx))
	check(t, client.Shutdown(ctx))
	check(t, client.Close())
	if resumed.IsActive() || resumed.Carrier() != "" || resumed.Info() != (labkit.ExperienceInfo{}) ||
		client.Stats() != (labkit.Stats{}) || client.Log() != nil {
		t.Error("it is something")
	}
	resumed.Discard("x")
	_, err := client.Lookup("create_order")
	requireStatus(t, err, labkit.StatusInvalidHandle)
}

// blackHole accepts connections and never answers.
func blackHole(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}
