package labkit

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// defaultWait bounds Flush and Shutdown under a context without a deadline:
// as long as one request may take by default.
const defaultWait = 10 * time.Second

// Client records experiences and sends them. A program makes one and keeps it.
// All methods are safe for concurrent use; a nil one is a null client.
type Client struct {
	handle             handle
	strict             bool
	journal            journal
	requestCorrelation func(context.Context) string

	// Read without a lock, replaced as a whole under growing.
	definitions atomic.Pointer[map[string]*Definition]
	growing     sync.Mutex
}

// New reads the definitions and prepares a client. No connection is made
// before the first record. It fails with an [*Error] whose text names the key
// or the file, and what was expected. In production a definition file that is
// wrong is only logged, and the good ones are used.
//
// A host that wants to go on without may: the nil client that comes with an
// error is a null one. If the library itself is missing, as it may be in a
// build without cgo, that is an error in development and test only: elsewhere
// the nil client comes without one, and the log says so once.
func New(config Config, options ...Option) (*Client, error) {
	for _, change := range options {
		change(&config)
	}
	if err := nativeLoad(); err != nil {
		return withoutLibrary(&config, err)
	}
	document, err := config.document()
	if err != nil {
		return nil, &Error{Op: "new", Status: StatusInvalidConfig, Detail: "configuration: Settings: " + err.Error()}
	}
	handle, detail, status := nativeNew(document)
	if status != StatusOK {
		return nil, &Error{Op: "new", Status: status, Detail: detail}
	}
	c := &Client{
		handle:             handle,
		strict:             config.strict(),
		journal:            journal{logger: config.Logger, now: time.Now},
		requestCorrelation: config.RequestCorrelation,
	}
	c.definitions.Store(&map[string]*Definition{})
	c.journal.library(c.Log())
	return c, nil
}

// withoutLibrary is a null client where a host must not suffer for it.
func withoutLibrary(config *Config, reason error) (*Client, error) {
	err := &Error{Op: "new", Status: StatusIO, Detail: reason.Error()}
	if config.strict() {
		return nil, err
	}
	j := journal{logger: config.Logger, now: time.Now}
	j.log().Error("labkit: nothing will be recorded", "error", err.Error())
	return nil, nil
}

// Lookup finds the definition whose file is called id (without .yml), or fails
// with [StatusUnknownExperience].
func (c *Client) Lookup(id string) (*Definition, error) {
	if c == nil {
		return nil, &Error{Op: "lookup", ID: id, Status: StatusInvalidHandle}
	}
	if d := (*c.definitions.Load())[id]; d != nil {
		return d, nil
	}
	index, status := nativeLookup(c.handle, id)
	if status != StatusOK {
		return nil, &Error{Op: "lookup", ID: id, Status: status}
	}
	c.growing.Lock()
	defer c.growing.Unlock()
	known := *c.definitions.Load()
	if d := known[id]; d != nil {
		return d, nil
	}
	grown := maps.Clone(known)
	d := &Definition{client: c, id: id, index: index}
	grown[id] = d
	c.definitions.Store(&grown)
	return d, nil
}

// Definition is [Client.Lookup] for those who want no error: an unknown id is a
// mistake, so it panics where Strict says so; elsewhere it gives a null
// definition, never nil. Prepared definitions save each call a map look-up.
func (c *Client) Definition(id string) *Definition {
	d, err := c.Lookup(id)
	if err == nil {
		return d
	}
	if c != nil {
		c.settle("lookup", id, err.(*Error).Status)
	}
	return &Definition{id: id}
}

// Start is [Definition.Start], for those who like it as a function.
func Start(ctx context.Context, definition *Definition, attrs ...Attr) (context.Context, *Experience) {
	return definition.Start(ctx, attrs...)
}

// Start is [Definition.Start] of the definition called id.
func (c *Client) Start(ctx context.Context, id string, attrs ...Attr) (context.Context, *Experience) {
	return c.Definition(id).Start(ctx, attrs...)
}

// Do is [Definition.Do] of the definition called id.
func (c *Client) Do(
	ctx context.Context, id string, block func(context.Context, *Experience) error, attrs ...Attr,
) error {
	return c.Definition(id).Do(ctx, block, attrs...)
}

// Resume is [Definition.Resume] of the definition called id.
func (c *Client) Resume(
	ctx context.Context, id, carrier string, attrs ...Attr,
) (context.Context, *Experience) {
	return c.Definition(id).Resume(ctx, carrier, attrs...)
}

// Observed is [Definition.Observed] of the definition called id.
func (c *Client) Observed(ctx context.Context, id string, seen Observation, attrs ...Attr) {
	c.Definition(id).Observed(ctx, seen, attrs...)
}

// Record sends a whole payload of the wire format, a JSON object of at most
// 16 KiB, for programs that keep the life cycle themselves. An id is minted if
// it has none. A payload that is wrong is a mistake and sends nothing.
func (c *Client) Record(payload []byte) {
	if c != nil {
		c.settle("record", "", nativeRecord(c.handle, payload))
	}
}

// SetToken makes requests carry this bearer token from now on; "" means none.
func (c *Client) SetToken(token string) error {
	if c == nil {
		return nil
	}
	return failure("set_token", nativeSetToken(c.handle, token))
}

// Flush waits until all that was recorded before is settled: acknowledged,
// rejected, or dropped and counted. It waits until ctx is done, or for 10 s if
// ctx has no deadline, also against a server that never answers. Then it fails
// with [StatusDeadlineExceeded], or what ctx was cancelled with; what still
// waits is tried again.
func (c *Client) Flush(ctx context.Context) error {
	if c == nil {
		return nil
	}
	return c.wait(ctx, "flush", nativeFlush)
}

// Shutdown stops recording, sends what is there and stops the background
// thread. It waits as [Client.Flush] does, and some 50 ms more at most. It
// fails with [StatusDeadlineExceeded] if something had to be dropped; the
// statistics tell how much. A second call does nothing.
func (c *Client) Shutdown(ctx context.Context) error {
	if c == nil {
		return nil
	}
	err := c.wait(ctx, "shutdown", nativeShutdown)
	c.journal.library(c.Log())
	return err
}

// Close gives the client's handle back. It does not wait: what still waits to
// be sent is lost, so call Shutdown before. Calls afterwards do nothing. Only
// programs that make many clients need it.
func (c *Client) Close() error {
	if c == nil {
		return nil
	}
	return failure("close", nativeFree(c.handle))
}

// wait keeps the deadline of ctx in the library, which knows how to leave, and
// its cancellation here: then the call in progress goes on without us.
func (c *Client) wait(ctx context.Context, op string, call func(handle, uint64) Status) error {
	timeout := defaultWait
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 0)
	}
	milliseconds := uint64(milliseconds(timeout))
	done := make(chan Status, 1)
	go func() { done <- call(c.handle, milliseconds) }()
	cancelled := ctx.Done()
	for {
		select {
		case status := <-done:
			return failure(op, status)
		case <-cancelled:
			if ctx.Err() != context.DeadlineExceeded {
				return context.Cause(ctx)
			}
			cancelled = nil // the library keeps the same deadline, and is about to say so
		}
	}
}

// settle decides what an answer means for the caller: nothing at all, unless it
// is a mistake and mistakes should show.
func (c *Client) settle(op, id string, status Status) {
	if !status.isNoOp() {
		c.complain(&Error{Op: op, ID: id, Status: status})
	}
}

func (c *Client) complain(err *Error) {
	if c.strict && err.Status.isMistake() {
		panic(err)
	}
	c.journal.problem(err)
}

func failure(op string, status Status) error {
	if status == StatusOK {
		return nil
	}
	return &Error{Op: op, Status: status}
}
