// Command calls makes 1,000,000 calls, and prints how much more memory the
// process had during the last 400,000 than during the 400,000 before, in bytes. The environment names the tracker
// (TRACKER) and the definitions (DEFINITIONS).
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

const (
	total = 1_000_000
	// round is flushed before the queue is full: what is dropped costs nothing.
	round = 2_500
	// each experience is so many calls.
	each = 4
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	client, err := labkit.New(labkit.Config{
		Endpoint: os.Getenv("TRACKER"), Definitions: os.Getenv("DEFINITIONS"), Type: "web",
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var samples [100]int
	for i := range samples {
		if samples[i], err = resident(ctx, client, total/len(samples)); err != nil {
			return err
		}
	}
	if s := client.Stats(); s.Acknowledged != total {
		return fmt.Errorf("not all calls were counted: %+v", s)
	}
	// What moves from one sample to the next is no slope: the median of many.
	fmt.Println(median(samples[60:]) - median(samples[20:60]))
	return client.Shutdown(ctx)
}

func median(samples []int) int {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// resident makes so many calls, and gives the memory that is then in use. What
// Go has to collect is collected before.
func resident(ctx context.Context, client *labkit.Client, calls int) (int, error) {
	for range calls / round {
		for range round / each {
			_, xp := client.Start(ctx, "create_order", labkit.Int("items", 3), labkit.String("kind", "gift"))
			xp.Checkpoint("form_posted").Checkpoint("paid", labkit.Bool("new", true)).Complete()
		}
		if err := client.Flush(ctx); err != nil {
			return 0, err
		}
	}
	debug.FreeOSMemory()
	var size, pages int
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(text), &size, &pages)
	return pages * os.Getpagesize(), err
}
