package labkit

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// Version of this package.
const Version = "0.1.0"

// Config is the settings of a client. Endpoint, Definitions and Type are
// required; the zero value of everything else is the default.
type Config struct {
	// Endpoint is the tracker's address, "http://host:port" or "https://...".
	// Not needed with the memory transport.
	Endpoint string
	// Definitions is the directory of the definition files.
	Definitions string
	// Type is this service or component, ^[a-z0-9_-]{1,64}$, such as "web".
	Type string
	// Token is the bearer token; see also [Client.SetToken].
	Token string
	// TokenFile holds the bearer token instead. It is read again whenever it
	// changes.
	TokenFile string
	// Strict is for development and test: mistakes panic with an [*Error].
	// Otherwise they are counted and logged, and the checkpoint goes out
	// without what was wrong.
	Strict bool
	// Transport is "http" (default), or "memory": nothing is sent, and tests
	// take what would have been; see [Client.Testing].
	Transport string
	// NonLocalExit is "handled" (default) or "error": what leaving a block by a
	// jump means. Go has no such jumps; it is here for mixed configurations.
	NonLocalExit string

	// QueueItems is how many checkpoints wait at most. Default 8192.
	QueueItems int
	// QueueBytes bounds the long texts that wait. Default 1 MiB.
	QueueBytes int
	// BatchItems is how many checkpoints travel in one request. Default 200.
	BatchItems int
	// BatchBytes bounds one request. Default 256 KiB.
	BatchBytes int
	// BatchAge is how long a checkpoint waits for company. Default 1 s. All
	// times are rounded up to milliseconds.
	BatchAge time.Duration
	// RequestTimeout is for the whole of one request. Default 10 s.
	RequestTimeout time.Duration
	// ConnectTimeout is the connection's part of it. Default 3 s.
	ConnectTimeout time.Duration
	// BackoffBase is the most that the first retry waits. Default 500 ms.
	BackoffBase time.Duration
	// BackoffCap is the most that any retry waits. Default 60 s.
	BackoffCap time.Duration
	// Heartbeat is after how long a process that has sent something, and has
	// nothing to send, shows that it lives. Default 20 s; below 0: never.
	Heartbeat time.Duration
	// CAFile holds certificates (PEM) to trust instead of the built-in ones.
	CAFile string
	// SpoolDir is a directory where what waits is kept, so that it outlasts long
	// outages and the process itself; what a dead process left is sent by the
	// next one. Without one it is dropped and counted.
	SpoolDir string
	// SpoolBytes bounds what this process keeps there; the oldest go first.
	// Default 64 MiB.
	SpoolBytes int64

	// Settings are further keys of the library's configuration, by their names
	// in include/labkit.h; they win over the fields above.
	Settings map[string]any

	// Logger gets this package's own messages; slog.Default() if nil.
	Logger *slog.Logger
	// RequestCorrelation reads the request's own correlation id from a context,
	// such as the function of that purpose in a tracing package. Where it gives
	// one, Start, Do and Resume add it as request_correlation_id.
	RequestCorrelation func(context.Context) string
}

// strict is what the library makes of Strict and Settings.
func (c *Config) strict() bool {
	if setting, ok := c.Settings["strict"].(bool); ok {
		return setting
	}
	return c.Strict
}

// document is the JSON that the library reads. Keys of zero values are left
// out: the defaults, and what is required, are its own affair.
func (c *Config) document() ([]byte, error) {
	keys := map[string]any{"sdk": map[string]string{"name": "labkit-go", "version": Version}}
	for key, value := range map[string]string{
		"endpoint": c.Endpoint, "definitions": c.Definitions, "type": c.Type,
		"token": c.Token, "token_file": c.TokenFile, "transport": c.Transport, "non_local_exit": c.NonLocalExit,
		"ca_file": c.CAFile, "spool_dir": c.SpoolDir,
	} {
		if value != "" {
			keys[key] = value
		}
	}
	for key, value := range map[string]int64{
		"queue_items": int64(c.QueueItems), "queue_bytes": int64(c.QueueBytes),
		"batch_items": int64(c.BatchItems), "batch_bytes": int64(c.BatchBytes),
		"batch_age_ms": milliseconds(c.BatchAge), "request_timeout_ms": milliseconds(c.RequestTimeout),
		"connect_timeout_ms": milliseconds(c.ConnectTimeout),
		"backoff_base_ms":    milliseconds(c.BackoffBase), "backoff_cap_ms": milliseconds(c.BackoffCap),
		"spool_bytes": c.SpoolBytes,
	} {
		if value != 0 {
			keys[key] = value
		}
	}
	switch {
	case c.Heartbeat > 0:
		keys["heartbeat_ms"] = milliseconds(c.Heartbeat)
	case c.Heartbeat < 0:
		keys["heartbeat_ms"] = 0
	}
	if c.Strict {
		keys["strict"] = true
	}
	for key, value := range c.Settings {
		keys[key] = value
	}
	return json.Marshal(keys)
}

// milliseconds rounds up: a little is not none, which would mean the default.
func milliseconds(d time.Duration) int64 {
	if d > 0 {
		d += time.Millisecond - 1
	}
	return d.Milliseconds()
}
