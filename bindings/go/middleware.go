package labkit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// CarrierHeader takes experiences from one service to the next: the JSON of a
// carrier in base64url without padding.
const CarrierHeader = "X-Labkit-User-Experiences"

const (
	// headerBytes is the most that the header's value may be.
	headerBytes = 4096
	// categoryHTTP is the checkpoint that a request's arrival leaves.
	categoryHTTP = "http_request_started"
)

// Trust says whether a request's peer may hand over experiences. Whoever may,
// can write into other people's: accept only your own services, told by
// address, client certificate or a proxy that removes the header at the edge.
type Trust func(*http.Request) bool

// Middleware continues the experiences that trusted peers hand over: the
// handler finds them with [FromContext]. Each leaves a checkpoint of the
// category "http_request_started". It completes nothing: the handler knows
// whether the experience ends here. A nil trust accepts nobody, and then the
// middleware passes requests on as they are.
//
// A header that cannot be read is the peer's mistake: it is logged, in
// development, too, and the request is served.
func (c *Client) Middleware(trust Trust) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if c == nil || trust == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			value := r.Header.Get(CarrierHeader)
			if value != "" && trust(r) {
				r = r.WithContext(c.ResumeHeader(r.Context(), value, categoryHTTP))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ResumeHeader continues all that a [CarrierHeader] holds and is defined here;
// the rest belongs to services further on. Each leaves a checkpoint of this
// category. It is for middleware of other frameworks than net/http: as there, a
// value that cannot be read is logged only, and so is a bad category.
func (c *Client) ResumeHeader(ctx context.Context, value, category string) context.Context {
	if c == nil || value == "" {
		return ctx
	}
	ctx = orBackground(ctx)
	carrier, ids, ok := readHeader(value)
	if !ok {
		c.journal.problem(&Error{Op: "middleware", Status: StatusInvalidCarrier})
		return ctx
	}
	for _, id := range ids {
		d, err := c.Lookup(id)
		if err != nil {
			continue
		}
		outer := scopeOf(ctx)
		xp := d.blank(ctx, outer)
		status := nativeResume(c.handle, d.index, carrier, "", category, d.meta(ctx, nil), &xp.raw)
		if status.isMistake() {
			c.journal.problem(&Error{Op: "middleware", ID: id, Status: status})
			continue
		}
		ctx, _ = xp.begun(ctx, "resume", status)
	}
	return ctx
}

// HeaderValue is the [CarrierHeader] of all active experiences of ctx, at most
// 4 KiB; "" if there are none.
func HeaderValue(ctx context.Context) string {
	return base64.RawURLEncoding.EncodeToString([]byte(carrier(ctx, base64.RawURLEncoding.DecodedLen(headerBytes))))
}

// readHeader gives the carrier and its ids, in an order that does not change.
func readHeader(value string) (carrier string, ids []string, ok bool) {
	if len(value) > headerBytes {
		return "", nil, false
	}
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return "", nil, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return "", nil, false
	}
	return string(text), slices.Sorted(maps.Keys(members)), true
}

// Transport is an [http.RoundTripper] that hands the active experiences of each
// request's context over to the server. It sets the header or removes it, so
// that nobody's header from outside is passed on. Use it for clients that talk
// to your own services.
type Transport struct {
	// Base does the work; http.DefaultTransport if nil.
	Base http.RoundTripper
}

// RoundTrip sends the request with the carrier header.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	value := HeaderValue(r.Context())
	if value != "" || r.Header.Get(CarrierHeader) != "" {
		r = r.Clone(r.Context()) // a RoundTripper must not change its request
		r.Header.Del(CarrierHeader)
		if value != "" {
			r.Header.Set(CarrierHeader, value)
		}
	}
	return t.base().RoundTrip(r)
}

// CloseIdleConnections passes on what http.Client asks of its transport.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}
