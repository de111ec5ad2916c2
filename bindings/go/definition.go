package labkit

import (
	"context"
	"encoding/json"
	"time"
)

// Definition is what a product team wrote about one user experience, prepared
// for use: made by [Client.Definition] or [Client.Lookup], it is good as long
// as its client. A nil one, and one of an unknown id, is null: it starts
// nothing, and its blocks still run.
type Definition struct {
	client *Client // nil: null
	id     string
	index  uint32
}

// Observation is an experience that was already over when it was recorded.
type Observation struct {
	// Start is when it started; later than now counts as now.
	Start time.Time
	// Outcome is how it ended; success by default.
	Outcome Outcome
	// Reason says why, where it is not a success; cut after 256 bytes.
	Reason string
}

// ID is the name of the definition's file, without .yml.
func (d *Definition) ID() string {
	if d == nil {
		return ""
	}
	return d.id
}

// Start starts an experience: it notes the time and records a start. The
// context that it returns holds the experience as active; [FromContext] finds
// it there. One of the same id that is active in ctx is discarded before, with
// the reason "restarted": the user began anew.
//
// The experience is never to be freed. Complete it, or defer
// [Experience.Done].
func (d *Definition) Start(ctx context.Context, attrs ...Attr) (context.Context, *Experience) {
	if d.isNull() {
		return ctx, nil
	}
	ctx = orBackground(ctx)
	outer := scopeOf(ctx)
	if earlier := outer.active(d.id); earlier != nil {
		earlier.displace()
	}
	return d.begin(ctx, outer, attrs)
}

// Resume continues what a carrier brought from another process, and records an
// intermediate checkpoint, see [WithCategory] and [WithJob]. A carrier that
// holds nothing of this id gives a null experience; one that cannot be read is
// a mistake.
func (d *Definition) Resume(
	ctx context.Context, carrier string, attrs ...Attr,
) (context.Context, *Experience) {
	if d.isNull() {
		return ctx, nil
	}
	ctx = orBackground(ctx)
	if carrier == "" {
		return ctx, nil // a job that nobody gave one
	}
	xp := d.blank(ctx, scopeOf(ctx))
	category, job := option(attrs, kindCategory), option(attrs, kindJob)
	meta := d.meta(ctx, attrs)
	xp.given.keep(meta)
	status := nativeResume(d.client.handle, d.index, carrier, job, category, meta, &xp.raw)
	return xp.begun(ctx, "resume", status)
}

// Observed records start and end of something that is already over. ctx serves
// only for the request's correlation id.
func (d *Definition) Observed(ctx context.Context, seen Observation, attrs ...Attr) {
	if d.isNull() {
		return
	}
	id := option(attrs, kindCorrelation)
	meta := d.meta(orBackground(ctx), attrs)
	d.client.settle("observed", d.id, nativeObserved(
		d.client.handle, d.index, id, seen.Start.UnixMilli(), seen.Outcome, seen.Reason, meta))
}

// DefinitionInfo describes a definition.
type DefinitionInfo struct {
	// ID is the name of its file.
	ID string `json:"id"`
	// Description is for people.
	Description string `json:"description"`
	// FeatureCategory is the owner.
	FeatureCategory string `json:"feature_category"`
	// Urgency is one of sync_fast, sync_slow, async_fast, async_slow, custom.
	Urgency string `json:"urgency"`
	// ApdexThresholdS is the most that a good experience takes, in seconds.
	ApdexThresholdS float64 `json:"apdex_threshold_s"`
	// TTLS is how long the tracker waits for an end, in seconds.
	TTLS float64 `json:"ttl_s"`
}

// Info describes the definition; zero for a null one. Not for hot paths.
func (d *Definition) Info() (info DefinitionInfo) {
	if d.isNull() {
		return info
	}
	text, status := nativeDefinitionInfo(d.client.handle, d.index)
	d.client.settle("info", d.id, status)
	describe(text, &info)
	return info
}

func (d *Definition) isNull() bool {
	return d == nil || d.client == nil
}

// begin starts an experience whatever else is active.
func (d *Definition) begin(ctx context.Context, outer *scope, attrs []Attr) (context.Context, *Experience) {
	xp := d.blank(ctx, outer)
	return xp.begun(ctx, "start", d.start(xp, attrs))
}

// start keeps the buffer for meta out of the frames of those who have none.
func (d *Definition) start(xp *Experience, attrs []Attr) Status {
	if len(attrs) == 0 && d.client.requestCorrelation == nil {
		return nativeStart(d.client.handle, d.index, "", nil, &xp.raw)
	}
	var buffer [metaBuffer]byte
	meta := d.appendMeta(xp.scope.Context, buffer[:0], attrs)
	xp.given.keep(meta)
	return nativeStart(d.client.handle, d.index, option(attrs, kindCorrelation), meta, &xp.raw)
}

func (d *Definition) meta(ctx context.Context, attrs []Attr) []byte {
	return d.appendMeta(ctx, nil, attrs)
}

// appendMeta adds the request's own correlation id to the caller's fields,
// unless the caller gave it.
func (d *Definition) appendMeta(ctx context.Context, b []byte, attrs []Attr) []byte {
	const key = "request_correlation_id"
	start := len(b)
	b = appendMeta(b, attrs)
	if d.client.requestCorrelation == nil || has(attrs, key) {
		return b
	}
	id := d.client.requestCorrelation(ctx)
	switch {
	case id == "":
		return b
	case len(b) == start:
		b = append(b, '{')
	default:
		b = append(b[:len(b)-1], ',')
	}
	b = appendString(b, key)
	b = append(b, ':')
	b = appendString(b, id)
	return append(b, '}')
}

func has(attrs []Attr, key string) bool {
	for i := range attrs {
		if attrs[i].key == key {
			return true
		}
	}
	return false
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// describe reads the library's own JSON; keys that it may add are ignored.
func describe(text string, into any) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), into)
	}
}
