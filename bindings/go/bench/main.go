// Command bench measures what a call costs its caller, beside encoding/json of
// the same three fields:
//
//	go run ./bench [results.jsonl]
//
// Times are the median of many batches, each small enough for the queue; what
// was recorded is taken away between them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

const (
	batches = 300
	// calls of at most two checkpoints each: half of the queue.
	calls = 2048
)

type result struct {
	Name      string   `json:"name"`
	Value     float64  `json:"value"`
	Unit      string   `json:"unit"`
	Peer      string   `json:"peer,omitempty"`
	PeerValue *float64 `json:"peer_value,omitempty"`
	Ratio     *float64 `json:"ratio,omitempty"`
	Goal      *float64 `json:"goal,omitempty"`
}

// three is what a logging package would have to encode.
type three struct {
	ProjectID int    `json:"project_id"`
	Kind      string `json:"kind"`
	New       bool   `json:"new"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	_, here, _, _ := runtime.Caller(0)
	client, err := labkit.New(labkit.Config{
		Definitions: filepath.Join(filepath.Dir(here), "../../../tests/scenarios/definitions"),
		Type:        "web", Transport: "memory",
	})
	if err != nil {
		return err
	}
	results := measure(client)
	if stats := client.Stats(); stats.Dropped > 0 {
		return fmt.Errorf("%d checkpoints were dropped: these are not the usual costs", stats.Dropped)
	}
	for _, r := range results {
		line := fmt.Sprintf("%-32s %8.1f %s", r.Name, r.Value, r.Unit)
		if r.Ratio != nil {
			line += fmt.Sprintf("   (%s %.1f, ratio %.2f)", r.Peer, *r.PeerValue, *r.Ratio)
		}
		fmt.Println(line)
	}
	if len(args) == 0 {
		return nil
	}
	return write(args[0], results)
}

func measure(client *labkit.Client) []result {
	ctx := context.Background()
	order := client.Definition("create_order")
	_, xp := order.Start(ctx)
	fields := func() [3]labkit.Attr {
		return [3]labkit.Attr{
			labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true)}
	}
	work := []struct {
		name   string
		allocs float64 // at most
		call   func()
	}{
		{"start+complete", 2, func() { _, xp := order.Start(ctx); xp.Complete() }},
		{"start+complete, 3 fields", 2, func() {
			f := fields()
			_, xp := order.Start(ctx, f[:]...)
			xp.Complete()
		}},
		{"start by id+done", 2, func() { _, xp := client.Start(ctx, "create_order"); defer xp.Done(nil) }},
		{"checkpoint", 0, func() { xp.Checkpoint("form_posted") }},
		{"checkpoint, 3 fields", 0, func() { f := fields(); xp.Checkpoint("form_posted", f[:]...) }},
	}
	encode := func() {
		if _, err := json.Marshal(three{7, "gift", true}); err != nil {
			panic(err)
		}
	}
	peer := median(client, encode)
	var results []result
	for _, w := range work {
		ns := median(client, w.call)
		ratio := ns / peer
		results = append(results, result{
			Name: w.name, Value: ns, Unit: "ns", Peer: "encoding/json, 3 fields", PeerValue: &peer, Ratio: &ratio})
	}
	for _, w := range work {
		allocs := testing.AllocsPerRun(1000, w.call)
		results = append(results, result{Name: w.name + ", heap", Value: allocs, Unit: "allocations", Goal: &w.allocs})
	}
	return results
}

func median(client *labkit.Client, call func()) float64 {
	times := make([]float64, batches)
	for i := range times {
		begun := time.Now()
		for range calls {
			call()
		}
		times[i] = float64(time.Since(begun).Nanoseconds()) / calls
		if _, err := client.Testing().Take(); err != nil {
			panic(err)
		}
	}
	slices.Sort(times)
	return times[batches/2]
}

func write(path string, results []result) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	for _, r := range results {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	return file.Close()
}
