package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	rounds = 20
	// calls of a round, of all threads together, of at most two records each:
	// half of what our queue holds by default.
	calls = 2048
)

// workload is how a call is made.
type workload struct {
	threads int
	fields  bool // three of the caller's own
}

func key(what string, w workload) string {
	if w.fields {
		what += ", 3 fields"
	}
	return fmt.Sprintf("%s, %d threads", what, w.threads)
}

// figure is what one call costs.
type figure struct {
	Calls float64 `json:"calls"` // ns that a caller waits
	CPU   float64 `json:"cpu"`   // ns of processor time, export included
}

// work is one way to make a call. prepare makes what one thread needs for it.
// flush waits until all that was handed over has been exported.
type work struct {
	what    string
	prepare func() (call func(fields bool))
	flush   func() error
}

func contend(name string) error {
	contenders := map[string]func(sink string) (map[string]figure, []work, error){
		"labkit": ours, "opentelemetry": spans, "logrus": lines,
	}
	figures, all, err := contenders[name](os.Getenv("BENCH_SINK"))
	if err != nil {
		return err
	}
	for _, w := range all {
		for _, threads := range []int{1, 4} {
			for _, fields := range []bool{false, true} {
				load := workload{threads, fields}
				if figures[key(w.what, load)], err = w.measure(load); err != nil {
					return err
				}
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

func (w work) measure(load workload) (figure, error) {
	times := make([]float64, rounds)
	begun := processorTime()
	for i := range times {
		times[i] = w.round(load)
		if err := w.flush(); err != nil {
			return figure{}, err
		}
	}
	spent := processorTime() - begun
	slices.Sort(times)
	return figure{Calls: times[rounds/2], CPU: float64(spent) / (rounds * calls)}, nil
}

// round is how long a caller waits for one call, in ns.
func (w work) round(load workload) float64 {
	each := calls / load.threads
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	took := make([]time.Duration, load.threads)
	for i := range took {
		ready.Add(1)
		done.Go(func() {
			call := w.prepare()
			ready.Done()
			<-start
			begun := time.Now()
			for range each {
				call(load.fields)
			}
			took[i] = time.Since(begun)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	total := time.Duration(0)
	for _, t := range took {
		total += t
	}
	return float64(total) / calls
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
