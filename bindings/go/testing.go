package labkit

import "time"

// Testing is what a test may do to a client with the memory transport. Package
// labkittest wraps it for everyday use. Every method fails with
// [StatusTestOnly] on a client with another transport.
type Testing struct {
	client *Client
}

// Testing gives the controls of a test.
func (c *Client) Testing() Testing {
	return Testing{c}
}

// SetClock stops the client's clock at t. It moves only by further calls;
// elapsed times follow it.
func (t Testing) SetClock(at time.Time) error {
	if t.client == nil {
		return failure("set_clock", StatusTestOnly)
	}
	return failure("set_clock", nativeTestSetClock(t.client.handle, at.UnixMilli()))
}

// SeedIDs makes ids predictable: number n from now on, counted from 0, is the
// ULID of the clock's time with the random part seed + n. Checkpoints and fresh
// correlation ids share the numbers; a start takes its correlation id first.
func (t Testing) SeedIDs(seed uint64) error {
	if t.client == nil {
		return failure("seed_ids", StatusTestOnly)
	}
	return failure("seed_ids", nativeTestSeedIDs(t.client.handle, seed))
}

// Take takes what would have been sent since the last call: the JSON of one
// checkpoint each, in order, byte for byte as it would have travelled. It waits
// for the background thread.
func (t Testing) Take() ([]string, error) {
	if t.client == nil {
		return nil, failure("take", StatusTestOnly)
	}
	text, status := nativeTestTake(t.client.handle)
	return splitLines(text), failure("take", status)
}
