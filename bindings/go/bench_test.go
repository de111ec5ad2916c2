package labkit_test

import (
	"context"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

// Command bench compares with peers; these are for looking closer, with
// -cpuprofile and the like.

// calls of at most two checkpoints each: half of the queue.
const calls = 2048

func BenchmarkStartComplete(b *testing.B) {
	ctx := context.Background()
	measure(b, func(c *labkit.Client, _ *labkit.Experience) {
		_, xp := c.Start(ctx, "create_order")
		xp.Complete()
	})
}

func BenchmarkStartDone(b *testing.B) {
	ctx := context.Background()
	measure(b, func(c *labkit.Client, _ *labkit.Experience) {
		_, xp := c.Start(ctx, "create_order")
		defer xp.Done(nil)
	})
}

func BenchmarkCheckpoint(b *testing.B) {
	measure(b, func(_ *labkit.Client, xp *labkit.Experience) { xp.Checkpoint("form_posted") })
}

func BenchmarkCheckpointWithFields(b *testing.B) {
	measure(b, func(_ *labkit.Client, xp *labkit.Experience) {
		xp.Checkpoint("form_posted",
			labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
	})
}

// measure takes away what was recorded before the queue is full, so that no
// drop is measured.
func measure(b *testing.B, call func(*labkit.Client, *labkit.Experience)) {
	b.Helper()
	client := newMemoryClient(b, false, nil)
	_, xp := client.Start(context.Background(), "sign_in")
	b.ReportAllocs()
	for n := 1; b.Loop(); n++ {
		call(client, xp)
		if n%calls == 0 {
			b.StopTimer()
			_, err := client.Testing().Take()
			check(b, err)
			b.StartTimer()
		}
	}
	if dropped := client.Stats().Dropped; dropped != 0 {
		b.Fatalf("%d were dropped", dropped)
	}
}
