package labkit_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

// tracker is a server that takes what a tracker takes, and nothing else.
type tracker struct {
	*httptest.Server

	mu          sync.Mutex
	checkpoints []map[string]any
	tokens      []string
}

func newTracker(t *testing.T) *tracker {
	tr := &tracker{}
	tr.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted, err := tr.accept(r)
		if err != nil {
			t.Errorf("the tracker refuses: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"server_timestamp":"2026-01-05T10:00:00.000Z","accepted":%d,"duplicate":0,"rejected":[]}`, accepted)
	}))
	t.Cleanup(tr.Close)
	return tr
}

func (tr *tracker) accept(r *http.Request) (int, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/checkpoints" {
		return 0, fmt.Errorf("%s %s", r.Method, r.URL)
	}
	if kind := r.Header.Get("Content-Type"); kind != "application/json" {
		return 0, fmt.Errorf("content type %q", kind)
	}
	reader := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return 0, err
		}
		reader = unzipped
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return 0, err
	}
	var envelope struct {
		SentAt     string `json:"sent_at"`
		InstanceID string `json:"instance_id"`
		SDK        struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"sdk"`
		Recorded    uint64            `json:"recorded"`
		Dropped     map[string]uint64 `json:"dropped"`
		Checkpoints []map[string]any  `json:"checkpoints"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return 0, fmt.Errorf("%w: %s", err, body)
	}
	ulid := regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)
	switch {
	case envelope.SentAt == "", !ulid.MatchString(envelope.InstanceID):
		return 0, fmt.Errorf("envelope: %s", body)
	case envelope.SDK.Name != "labkit-go" || envelope.SDK.Version != labkit.Version:
		return 0, fmt.Errorf("sdk: %+v", envelope.SDK)
	case envelope.Recorded == 0 || len(envelope.Checkpoints) == 0:
		return 0, fmt.Errorf("ledger: %s", body)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.checkpoints = append(tr.checkpoints, envelope.Checkpoints...)
	tr.tokens = append(tr.tokens, r.Header.Get("Authorization"))
	return len(envelope.Checkpoints), nil
}

func TestCheckpointsReachATrackerOverHTTP(t *testing.T) {
	tr := newTracker(t)
	client := newClient(t, labkit.Config{
		Endpoint: tr.URL, Definitions: definitions, Type: "web", Token: "secret", Strict: true,
	})
	_, xp := client.Start(t.Context(), "create_order", labkit.String("kind", "gift"))
	xp.Checkpoint("form_posted")
	check(t, client.Flush(t.Context()))
	check(t, client.SetToken("renewed"))
	xp.Complete(labkit.Float64("total", 12.5))
	check(t, client.Shutdown(t.Context()))

	stats := client.Stats()
	requireBalance(t, stats)
	if stats.Acknowledged != 3 || stats.Queued != 0 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var kinds []any
	for _, c := range tr.checkpoints {
		kinds = append(kinds, c["checkpoint"])
	}
	if fmt.Sprint(kinds) != "[start intermediate end]" || tr.checkpoints[2]["outcome"] != "success" {
		t.Errorf("%v", tr.checkpoints)
	}
	if first, last := tr.tokens[0], tr.tokens[len(tr.tokens)-1]; first != "Bearer secret" || last != "Bearer renewed" {
		t.Errorf("tokens: %q", tr.tokens)
	}
}
