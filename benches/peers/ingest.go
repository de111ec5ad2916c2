// Command ingest is what one would write instead of the tracker's edge: net/http
// and encoding/json, the same fields read and checked, nothing kept.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

type checkpoint struct {
	ID               string         `json:"id"`
	CorrelationID    string         `json:"correlation_id"`
	UserExperienceID string         `json:"user_experience_id"`
	Checkpoint       string         `json:"checkpoint"`
	Category         string         `json:"checkpoint_category"`
	Type             string         `json:"type"`
	FeatureCategory  string         `json:"feature_category"`
	Urgency          string         `json:"urgency"`
	ClientTimestamp  time.Time      `json:"client_timestamp"`
	Outcome          string         `json:"outcome"`
	Reason           string         `json:"reason"`
	ElapsedMS        *float64       `json:"elapsed_ms"`
	Meta             map[string]any `json:"meta"`
}

type batch struct {
	SentAt      time.Time    `json:"sent_at"`
	InstanceID  string       `json:"instance_id"`
	Checkpoints []checkpoint `json:"checkpoints"`
}

type answer struct {
	ServerTimestamp time.Time `json:"server_timestamp"`
	Accepted        int       `json:"accepted"`
	Duplicate       int       `json:"duplicate"`
	Rejected        []int     `json:"rejected"`
}

func good(c *checkpoint) bool {
	if len(c.CorrelationID) != 26 || c.UserExperienceID == "" || c.Type == "" {
		return false
	}
	switch c.Checkpoint {
	case "start", "intermediate", "end":
		return !c.ClientTimestamp.IsZero()
	}
	return false
}

func ingest(w http.ResponseWriter, r *http.Request) {
	var b batch
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := answer{ServerTimestamp: time.Now(), Rejected: []int{}}
	for i := range b.Checkpoints {
		if good(&b.Checkpoints[i]) {
			a.Accepted++
		} else {
			a.Rejected = append(a.Rejected, i)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}

func main() {
	http.HandleFunc("POST /v1/checkpoints", ingest)
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
