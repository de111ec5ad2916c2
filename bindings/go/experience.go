package labkit

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// Outcome is how an experience ended.
type Outcome uint32

// The outcomes that a program can give.
const (
	OutcomeSuccess   Outcome = 0
	OutcomeError     Outcome = 1
	OutcomeHandled   Outcome = 2
	OutcomeDiscarded Outcome = 3
)

// Experience is one run of a definition. Its methods are safe for concurrent
// use, and no-ops on one that is nil, over, or never started. Those that do not
// end it return it again, so that calls chain.
type Experience struct {
	definition *Definition
	scope      scope
	given      given

	mu  sync.Mutex // the library wants one thread at a time
	raw rawExperience
}

// given is the meta of an experience's start, as JSON, for the end of its block.
// Three fields fit in place, and an experience into the allocator's 640 bytes;
// what is longer costs Start its second allocation.
type given struct {
	long   []byte
	size   uint16
	inline [46]byte
}

func (g *given) keep(meta []byte) {
	if len(meta) > len(g.inline) {
		g.long = bytes.Clone(meta)
		return
	}
	g.size = uint16(copy(g.inline[:], meta))
}

func (g *given) meta() []byte {
	if g.long != nil {
		return g.long
	}
	return g.inline[:g.size]
}

// Checkpoint records an intermediate checkpoint. category says what happened,
// ^[a-z0-9_]{1,64}$, or is "".
func (xp *Experience) Checkpoint(category string, attrs ...Attr) *Experience {
	if xp == nil {
		return nil
	}
	if len(attrs) == 0 {
		xp.settle("checkpoint", xp.checkpoint(category, nil))
		return xp
	}
	var buffer [metaBuffer]byte
	xp.settle("checkpoint", xp.checkpoint(category, appendMeta(buffer[:0], attrs)))
	return xp
}

// Complete records the end, with the outcome that was marked, or success. A
// second end is a silent no-op.
func (xp *Experience) Complete(attrs ...Attr) {
	if xp == nil {
		return
	}
	if len(attrs) == 0 {
		xp.settle("complete", xp.complete(nil))
		return
	}
	var buffer [metaBuffer]byte
	xp.settle("complete", xp.complete(appendMeta(buffer[:0], attrs)))
}

// Error marks the experience as failed: its end carries the error's message as
// the reason, cut after 256 bytes. It records nothing by itself. A nil error
// marks nothing, so it may be called with whatever a call returned.
func (xp *Experience) Error(err error) *Experience {
	if xp == nil || err == nil {
		return xp
	}
	reason := message(err)
	xp.mu.Lock()
	status := nativeError(&xp.raw, reason)
	xp.mu.Unlock()
	xp.settle("error", status)
	return xp
}

// Handled marks the end to come as expected, no failure of ours: a merge
// conflict, say. An error marked before stands. It records nothing by itself.
func (xp *Experience) Handled(reason string) *Experience {
	if xp == nil {
		return nil
	}
	xp.mu.Lock()
	status := nativeHandled(&xp.raw, reason)
	xp.mu.Unlock()
	xp.settle("handled", status)
	return xp
}

// Discard ends the experience as one that turned out not to be one: it counts
// nowhere.
func (xp *Experience) Discard(reason string, attrs ...Attr) {
	if xp == nil {
		return
	}
	meta := appendMeta(nil, attrs)
	xp.mu.Lock()
	status := nativeDiscard(&xp.raw, reason, meta)
	xp.mu.Unlock()
	xp.settle("discard", status)
}

// IsActive says whether it has started and not ended.
func (xp *Experience) IsActive() bool {
	if xp == nil {
		return false
	}
	xp.mu.Lock()
	defer xp.mu.Unlock()
	return nativeIsActive(&xp.raw)
}

// Carrier is the small JSON object that takes the experience to another
// process, see [Client.Resume]; "" if it is not active. At most 256 bytes.
func (xp *Experience) Carrier() string {
	if xp == nil {
		return ""
	}
	xp.mu.Lock()
	text, status := nativeCarrier(&xp.raw)
	xp.mu.Unlock()
	xp.settle("carrier", status)
	return text
}

// ExperienceInfo describes an experience.
type ExperienceInfo struct {
	// UserExperienceID is its definition's id.
	UserExperienceID string `json:"user_experience_id"`
	// CorrelationID is its own id, the same in every process it passes.
	CorrelationID string `json:"correlation_id"`
	// StartTime is zero if a carrier did not tell.
	StartTime time.Time `json:"start_time"`
	// Active: it has started and not ended.
	Active bool `json:"active"`
	// Outcome as marked: success, error, handled, discarded.
	Outcome string `json:"outcome"`
	// Reason as marked.
	Reason string `json:"reason"`
}

// Info describes the experience; zero for a null one. Not for hot paths.
func (xp *Experience) Info() (info ExperienceInfo) {
	if xp == nil {
		return info
	}
	xp.mu.Lock()
	text, status := nativeExperienceInfo(&xp.raw)
	xp.mu.Unlock()
	xp.settle("info", status)
	describe(text, &info)
	return info
}

func (xp *Experience) checkpoint(category string, meta []byte) Status {
	xp.mu.Lock()
	status := nativeCheckpoint(&xp.raw, category, meta)
	xp.mu.Unlock()
	return status
}

func (xp *Experience) complete(meta []byte) Status {
	xp.mu.Lock()
	status := nativeComplete(&xp.raw, meta)
	xp.mu.Unlock()
	return status
}

// settle runs without the lock, as it may panic or log.
func (xp *Experience) settle(op string, status Status) {
	if status != StatusOK {
		xp.definition.client.settle(op, xp.definition.id, status)
	}
}

// message is the error's text, also of an error whose own method panics.
func message(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", err)
		}
	}()
	return err.Error()
}
