// Package labkittest lets tests see which experiences the code under test
// records:
//
//	recorder := labkittest.New(t, "config/user_experience_slis")
//	handler := NewHandler(recorder.Client)
//	...
//	recorder.Require("create_order", "start", "intermediate:form_posted", "end:success")
//
// Nothing is sent anywhere. The client is strict: mistakes panic.
package labkittest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

// Recorder is a client whose checkpoints stay in the process. Safe for
// concurrent use, except Advance and SetTime, and the reading methods, which
// belong to the test's own goroutine.
type Recorder struct {
	// Client is for the code under test.
	Client *labkit.Client

	tb   testing.TB
	now  time.Time
	seen []Checkpoint
}

// Checkpoint is one that was recorded, as it would have travelled.
type Checkpoint struct {
	// ID is the checkpoint's own.
	ID string `json:"id"`
	// CorrelationID is the experience's own.
	CorrelationID string `json:"correlation_id"`
	// UserExperienceID is the definition's.
	UserExperienceID string `json:"user_experience_id"`
	// Checkpoint is start, intermediate or end.
	Checkpoint string `json:"checkpoint"`
	// Category of an intermediate.
	Category string `json:"checkpoint_category"`
	// Outcome of an end: success, error, handled or discarded.
	Outcome string `json:"outcome"`
	// Reason of an end that was no success.
	Reason string `json:"reason"`
	// Time when it happened.
	Time time.Time `json:"client_timestamp"`
	// ElapsedMs from start to end, in milliseconds; nil where it is not known.
	ElapsedMs *float64 `json:"elapsed_ms"`
	// Meta is the caller's fields.
	Meta map[string]any `json:"meta"`
}

// New makes a recorder that reads the definition files of a directory, and ends
// with the test. Changes, if any, are made to the configuration before use.
func New(tb testing.TB, definitions string, change ...labkit.Option) *Recorder {
	tb.Helper()
	config := labkit.Config{Definitions: definitions, Type: "test", Strict: true, Transport: "memory"}
	for _, f := range change {
		f(&config)
	}
	client, err := labkit.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return &Recorder{Client: client, tb: tb}
}

// SetTime stops the client's clock at t.
func (r *Recorder) SetTime(t time.Time) {
	r.tb.Helper()
	if err := r.Client.Testing().SetClock(t); err != nil {
		r.tb.Fatal(err)
	}
	r.now = t
}

// Advance moves the clock on; it is stopped first, if it was not.
func (r *Recorder) Advance(d time.Duration) {
	r.tb.Helper()
	if r.now.IsZero() {
		r.now = time.Now()
	}
	r.SetTime(r.now.Add(d))
}

// Checkpoints are all that were recorded so far, in order.
func (r *Recorder) Checkpoints() []Checkpoint {
	r.tb.Helper()
	lines, err := r.Client.Testing().Take()
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, line := range lines {
		var c Checkpoint
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			r.tb.Fatalf("%v: %s", err, line)
		}
		r.seen = append(r.seen, c)
	}
	return slices.Clone(r.seen)
}

// Of are the checkpoints of one user experience, in order.
func (r *Recorder) Of(id string) []Checkpoint {
	r.tb.Helper()
	return slices.DeleteFunc(r.Checkpoints(), func(c Checkpoint) bool { return c.UserExperienceID != id })
}

// Story tells the checkpoints of one user experience in words: "start",
// "intermediate:<category>", "end:<outcome>". One without a category is just
// "intermediate".
func (r *Recorder) Story(id string) []string {
	r.tb.Helper()
	story := []string{}
	for _, c := range r.Of(id) {
		word := c.Checkpoint
		if detail := c.Category + c.Outcome; detail != "" {
			word += ":" + detail
		}
		story = append(story, word)
	}
	return story
}

// Require fails the test unless the story of this user experience is so.
func (r *Recorder) Require(id string, story ...string) {
	r.tb.Helper()
	if got := r.Story(id); !slices.Equal(got, story) {
		r.tb.Fatalf("%s: recorded %q, expected %q", id, got, story)
	}
}

// Reset forgets what was recorded so far.
func (r *Recorder) Reset() {
	r.tb.Helper()
	r.Checkpoints()
	r.seen = nil
}
