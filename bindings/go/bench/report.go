package main

import "fmt"

// result is one line of the report. A ratio is peer / ours: how many times less
// ours costs; goal is the ratio to reach, 0 for none. Of a figure without a peer
// goal is the most that it may be.
type result struct {
	Name      string   `json:"name"`
	Value     float64  `json:"value"`
	Unit      string   `json:"unit"`
	Peer      *string  `json:"peer"`
	PeerValue *float64 `json:"peer_value"`
	Ratio     *float64 `json:"ratio"`
	Goal      float64  `json:"goal"`
}

func (r result) String() string {
	if r.Peer == nil {
		return fmt.Sprintf("%-48s %9.1f %-12s goal <= %g", r.Name, r.Value, r.Unit, r.Goal)
	}
	line := fmt.Sprintf("%-48s %9.1f %-4s %-20s %9.1f   %6.2fx", r.Name, r.Value, r.Unit, *r.Peer, *r.PeerValue, *r.Ratio)
	if r.Goal > 0 {
		line += fmt.Sprintf("  goal %gx", r.Goal)
	}
	return line
}

// The goals for one caller; what is done at once by four has none of its own.
const (
	lineGoal = 20
	spanGoal = 3
)

// compare sets one record beside what one event costs with a peer: a log line,
// a span. An experience is two records, and beside one span the harder test.
func compare(figures map[string]figure) []result {
	var results []result
	for _, threads := range []int{1, 4} {
		for _, fields := range []bool{false, true} {
			workload := workload{threads, fields}
			line, span := 0.0, 0.0
			if threads == 1 {
				line, span = lineGoal, spanGoal
			}
			results = append(results,
				beside(figures, "record", "logrus line", workload, line),
				beside(figures, "record", "opentelemetry span", workload, span),
				beside(figures, "experience", "opentelemetry span", workload, 0))
		}
	}
	for _, what := range []struct{ ours, peer string }{
		{"record", "logrus line"}, {"record", "opentelemetry span"}, {"experience", "opentelemetry span"},
	} {
		r := beside(figures, what.ours, what.peer, workload{1, true}, 0)
		ours, theirs := figures[key(what.ours, workload{1, true})], figures[key(what.peer, workload{1, true})]
		r.Name, r.Value, *r.PeerValue = "go "+what.ours+", 3 fields, CPU with export", ours.CPU, theirs.CPU
		*r.Ratio = theirs.CPU / ours.CPU
		results = append(results, r)
	}
	for _, what := range []struct {
		name string
		most float64
	}{{"checkpoint", 0}, {"checkpoint, 3 fields", 0}, {"complete", 0}, {"start", 2}, {"start, 3 fields", 2}} {
		results = append(results, result{
			Name: "go " + what.name + ", heap", Value: figures["allocations of "+what.name].Calls,
			Unit: "allocations", Goal: what.most,
		})
	}
	return results
}

func beside(figures map[string]figure, ours, peer string, w workload, goal float64) result {
	value, theirs := figures[key(ours, w)].Calls, figures[key(peer, w)].Calls
	ratio := theirs / value
	return result{
		Name: "go " + key(ours, w), Value: value, Unit: "ns",
		Peer: &peer, PeerValue: &theirs, Ratio: &ratio, Goal: goal,
	}
}
