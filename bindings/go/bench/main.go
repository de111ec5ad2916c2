// Command bench measures what a call costs its caller, beside what people would
// use instead, in one run:
//
//	cd bindings/go/bench && go run . [results.jsonl]
//
// Each contender runs in a process of its own, which sends to a sink in another,
// so that neither memory nor processor time is anybody else's. Calls are timed
// in rounds that the queues hold, and what waits is flushed between them, off
// the clock: nothing that is timed is ever a drop. Each contender comes to its
// turn several times, and the best turn counts: a turn's figure is the median of
// its rounds, and a machine that others use, too, spoils some turns of each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// turns of each contender.
const turns = 4

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 2 && arguments[0] == "contender" {
		return contend(arguments[1])
	}
	if len(arguments) == 1 && arguments[0] == "sink" {
		return sink()
	}
	figures := map[string]figure{}
	for range turns {
		for _, name := range []string{"labkit", "opentelemetry", "logrus"} {
			turn, err := measured(name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for what, f := range turn {
				if best, ok := figures[what]; ok {
					f = figure{min(f.Calls, best.Calls), min(f.CPU, best.CPU)}
				}
				figures[what] = f
			}
		}
	}
	results := compare(figures)
	for _, r := range results {
		fmt.Println(r)
	}
	if len(arguments) == 0 {
		return nil
	}
	return write(arguments[0], results)
}

// measured runs a contender beside a sink.
func measured(name string) (figures map[string]figure, err error) {
	me, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server := exec.Command(me, "sink")
	server.Stderr = os.Stderr
	address, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	hold, err := server.StdinPipe() // the sink ends when this closes
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer server.Wait()
	defer hold.Close()
	url, err := bufio.NewReader(address).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the sink did not start: %w", err)
	}
	contender := exec.Command(me, "contender", name)
	contender.Env = append(os.Environ(), "BENCH_SINK="+strings.TrimSpace(url))
	contender.Stderr = os.Stderr
	output, err := contender.Output()
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(output, &figures)
	return figures, err
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
