package labkit

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// quietFor is how long a kind of problem is not logged again: a mistake in a
// busy handler must not fill the disk.
const quietFor = time.Minute

// journal writes this package's own messages.
type journal struct {
	logger *slog.Logger // nil: slog's default, asked each time as it may be set late
	now    func() time.Time

	mu   sync.Mutex
	last map[Status]time.Time
}

// problem logs the first of its kind, then at most one a minute.
func (j *journal) problem(err *Error) {
	if !j.isDue(err.Status) {
		return
	}
	j.log().Warn("labkit: a call did not do what it should",
		"op", err.Op, "user_experience_id", err.ID,
		"status", err.Status.String(), "error", err.Error())
}

// library passes on what the library has to say, one line each.
func (j *journal) library(lines []string) {
	for _, line := range lines {
		j.log().Warn("labkit: " + line)
	}
}

func (j *journal) isDue(kind Status) bool {
	now := j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	if last, ok := j.last[kind]; ok && now.Sub(last) < quietFor {
		return false
	}
	if j.last == nil {
		j.last = make(map[Status]time.Time)
	}
	j.last[kind] = now
	return true
}

func (j *journal) log() *slog.Logger {
	if j.logger != nil {
		return j.logger
	}
	return slog.Default()
}

func splitLines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
