package labkit_test

import (
	"context"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

func TestCheckpointAndCompleteDoNotAllocate(t *testing.T) {
	client := newMemoryClient(t, false, nil)
	ctx := context.Background()
	_, xp := client.Start(ctx, "create_order")
	requireAllocs(t, "Checkpoint", 0, func() { xp.Checkpoint("posted") })
	requireAllocs(t, "Checkpoint with fields", 0, func() {
		xp.Checkpoint("posted",
			labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
	})
	// The experiences are made before: only the end is counted.
	const runs = 100
	var started []*labkit.Experience
	for range 2 * (runs + 1) {
		_, xp := client.Start(ctx, "sign_in")
		started = append(started, xp)
	}
	next := func() *labkit.Experience { xp := started[0]; started = started[1:]; return xp }
	requireAllocs(t, "Complete", 0, func() { next().Complete() })
	requireAllocs(t, "Complete with fields", 0, func() {
		next().Complete(labkit.Float64("total", 12.5), labkit.String("kind", "gift"))
	})
}

func TestStartAllocatesOnce(t *testing.T) {
	client := newMemoryClient(t, false, nil)
	ctx := context.Background()
	order := client.Definition("create_order")
	requireAllocs(t, "Start", 1, func() { order.Start(ctx) })
	requireAllocs(t, "Start by id, with fields", 1, func() {
		client.Start(ctx, "create_order", labkit.Int("project_id", 7), labkit.String("kind", "gift"))
	})
	requireAllocs(t, "Start and Done", 1, func() {
		_, xp := order.Start(ctx)
		defer xp.Done(nil)
	})
	requireAllocs(t, "Do", 1, func() {
		_ = order.Do(ctx, func(context.Context, *labkit.Experience) error { return nil })
	})
}

func TestANullExperienceCostsNothing(t *testing.T) {
	ctx := context.Background()
	requireAllocs(t, "FromContext", 0, func() {
		labkit.FromContext(ctx, "create_order").Checkpoint("posted", labkit.Int("n", 1)).Complete()
	})
}

func requireAllocs(t *testing.T, what string, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(100, f); got != want {
		t.Errorf("%s: %v allocations, expected %v", what, got, want)
	}
}
