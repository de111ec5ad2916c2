package labkit_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

const (
	corpus      = "../../tests/scenarios"
	definitions = corpus + "/definitions"
)

// scenario is one file of the corpus; its README says what the keys mean.
type scenario struct {
	Name   string
	Clock  time.Time
	Strict bool
	Config map[string]any
	Steps  []step
	Stats  map[string]uint64
	wire   []string
}

type step struct {
	Do, On, As, ID, Reason, Outcome, Carrier, From, Job, Category, Exit, Payload, Fails string

	ReasonHex     string          `json:"reason_hex"`
	CorrelationID string          `json:"correlation_id"`
	StartTime     time.Time       `json:"start_time"`
	Meta          json.RawMessage `json:"meta"`
	MetaBytes     int             `json:"meta_bytes"`
	Ms            int64
	Equals        any
	Steps         []step
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(corpus + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in %s: %v", corpus, err)
	}
	for _, file := range files {
		s := readScenario(t, file)
		t.Run(s.Name, func(t *testing.T) { replay(t, s) })
	}
}

func replay(t *testing.T, s scenario) {
	client := newMemoryClient(t, s.Strict, s.Config)
	p := &player{
		t: t, client: client, testing: client.Testing(), clock: s.Clock, ctx: t.Context(),
		experiences: map[string]*labkit.Experience{}, carriers: map[string]string{},
	}
	check(t, p.testing.SetClock(s.Clock))
	check(t, p.testing.SeedIDs(1))
	p.play(s.Steps)
	lines, err := p.testing.Take()
	check(t, err)
	if !slices.Equal(lines, s.wire) {
		t.Errorf("wire:\n%s\nexpected:\n%s", strings.Join(lines, "\n"), strings.Join(s.wire, "\n"))
	}
	stats := client.Stats()
	requireBalance(t, stats)
	for name, want := range s.Stats {
		if got := statByName(t, stats, name); got != want {
			t.Errorf("%s: %d, expected %d", name, got, want)
		}
	}
}

// player keeps what the steps share. Its ctx is the current context.
type player struct {
	t           *testing.T
	client      *labkit.Client
	testing     labkit.Testing
	clock       time.Time
	ctx         context.Context
	experiences map[string]*labkit.Experience
	carriers    map[string]string
}

func (p *player) play(steps []step) {
	for _, s := range steps {
		if status := mistake(func() { p.do(s) }); status != s.Fails {
			p.t.Errorf("%s %s%s: failed with %q, expected %q", s.Do, s.On, s.ID, status, s.Fails)
		}
	}
}

func (p *player) do(s step) {
	xp := p.experiences[s.On]
	switch s.Do {
	case "advance":
		p.clock = p.clock.Add(time.Duration(s.Ms) * time.Millisecond)
		check(p.t, p.testing.SetClock(p.clock))
	case "start":
		p.ctx, xp = p.client.Start(p.ctx, s.ID, p.attrs(s)...)
		p.experiences[s.As] = xp
	case "checkpoint":
		xp.Checkpoint(s.Category, p.attrs(s)...)
	case "error":
		xp.Error(errors.New(p.reason(s)))
	case "handled":
		xp.Handled(p.reason(s))
	case "complete":
		xp.Complete(p.attrs(s)...)
	case "discard":
		xp.Discard(p.reason(s), p.attrs(s)...)
	case "observed":
		seen := labkit.Observation{Start: s.StartTime, Outcome: outcome(p.t, s.Outcome), Reason: p.reason(s)}
		p.client.Observed(p.ctx, s.ID, seen, p.attrs(s)...)
	case "is_active":
		if xp.IsActive() != s.Equals {
			p.t.Errorf("%s is active: %v", s.On, xp.IsActive())
		}
	case "carrier":
		p.carriers[s.As] = xp.Carrier()
		if p.carriers[s.As] != s.Equals {
			p.t.Errorf("carrier: %s", p.carriers[s.As])
		}
	case "resume":
		carrier := s.Carrier + p.carriers[s.From]
		p.ctx, xp = p.client.Resume(p.ctx, s.ID, carrier, p.attrs(s)...)
		p.experiences[s.As] = xp
	case "block":
		p.block(s)
	case "scope":
		outer := p.ctx
		p.ctx = labkit.NewScope(outer)
		p.play(s.Steps)
		p.ctx = outer
	case "current":
		p.experiences[s.As] = labkit.FromContext(p.ctx, s.ID)
	case "record":
		p.client.Record([]byte(s.Payload))
	default:
		p.t.Fatalf("a step that this player does not know: %s", s.Do)
	}
}

// block runs in a goroutine of its own, as one exit ends that.
func (p *player) block(s step) {
	outer, want := p.ctx, error(nil)
	switch s.Exit {
	case "error":
		want = errors.New(p.reason(s))
	case "cancelled":
		want = context.Canceled
	}
	returned, ended := false, make(chan struct{})
	go func() {
		defer close(ended)
		err := p.client.Do(outer, s.ID, func(ctx context.Context, xp *labkit.Experience) error {
			p.ctx, p.experiences[s.As] = ctx, xp
			p.play(s.Steps)
			switch s.Exit {
			case "non_local":
				xp.LeaveByJump()
			case "abandoned":
				runtime.Goexit()
			}
			return want
		}, p.attrs(s)...)
		returned = true
		if err != want {
			p.t.Errorf("the block returned %v, expected %v", err, want)
		}
	}()
	<-ended
	p.ctx = outer
	if returned != (s.Exit != "abandoned") {
		p.t.Errorf("exit %s: returned %v", s.Exit, returned)
	}
}

func (p *player) reason(s step) string {
	raw, err := hex.DecodeString(s.ReasonHex)
	check(p.t, err)
	return s.Reason + string(raw)
}

func (p *player) attrs(s step) (attrs []labkit.Attr) {
	if s.MetaBytes > 0 {
		pad := s.MetaBytes - len(`{"pad":""}`)
		attrs = append(attrs, labkit.String("pad", strings.Repeat("x", pad)))
	}
	if s.CorrelationID != "" {
		attrs = append(attrs, labkit.WithCorrelation(s.CorrelationID))
	}
	if s.Category != "" {
		attrs = append(attrs, labkit.WithCategory(s.Category))
	}
	if s.Job != "" {
		attrs = append(attrs, labkit.WithJob(s.Job))
	}
	return append(attrs, ordered(p.t, s.Meta)...)
}

// ordered reads an object's members in their order, which a map would lose.
func ordered(t *testing.T, object json.RawMessage) (attrs []labkit.Attr) {
	if object == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	_, err := decoder.Token()
	check(t, err)
	for decoder.More() {
		key, err := decoder.Token()
		check(t, err)
		var value any
		check(t, decoder.Decode(&value))
		attrs = append(attrs, labkit.Any(key.(string), value))
	}
	return attrs
}

func readScenario(t *testing.T, file string) (s scenario) {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	// Each element of wire is a line of its own, and the line is the bytes.
	_, rest, found := strings.Cut(string(text), "\"wire\": [")
	if !found {
		t.Fatalf("%s: no wire", file)
	}
	for line := range strings.SplitSeq(rest, "\n") {
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if strings.HasPrefix(line, "]") {
			break
		}
		if line != "" {
			s.wire = append(s.wire, line)
		}
	}
	return s
}

func outcome(t *testing.T, name string) labkit.Outcome {
	t.Helper()
	known := map[string]labkit.Outcome{
		"success": labkit.OutcomeSuccess, "error": labkit.OutcomeError,
		"handled": labkit.OutcomeHandled, "discarded": labkit.OutcomeDiscarded,
	}
	found, ok := known[name]
	if !ok {
		t.Fatalf("no such outcome: %s", name)
	}
	return found
}

func statByName(t *testing.T, stats labkit.Stats, snake string) uint64 {
	t.Helper()
	field := reflect.ValueOf(stats).FieldByNameFunc(func(name string) bool {
		return strings.EqualFold(name, strings.ReplaceAll(snake, "_", ""))
	})
	if !field.IsValid() {
		t.Fatalf("no such figure: %s", snake)
	}
	return field.Uint()
}
