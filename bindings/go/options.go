package labkit

import (
	"context"
	"log/slog"
	"maps"
)

// Option changes one setting of a [Config] that New was given: a program keeps
// one configuration, and a test, a command or an environment varies it. Later
// ones win. Options of a single call, such as [WithCategory], are an [Attr].
type Option func(*Config)

// WithEndpoint is another tracker's address, see [Config].
func WithEndpoint(url string) Option {
	return func(c *Config) { c.Endpoint = url }
}

// WithToken is another bearer token.
func WithToken(token string) Option {
	return func(c *Config) { c.Token = token }
}

// WithStrict says whether mistakes show.
func WithStrict(strict bool) Option {
	return func(c *Config) { c.Strict = strict }
}

// WithSpool keeps what waits in a directory.
func WithSpool(directory string) Option {
	return func(c *Config) { c.SpoolDir = directory }
}

// WithMemoryTransport sends nothing, see [Client.Testing].
func WithMemoryTransport() Option {
	return func(c *Config) { c.Transport = "memory" }
}

// WithLogger takes this package's own messages elsewhere.
func WithLogger(logger *slog.Logger) Option {
	return func(c *Config) { c.Logger = logger }
}

// WithRequestCorrelation reads the request's own correlation id from a context.
func WithRequestCorrelation(read func(context.Context) string) Option {
	return func(c *Config) { c.RequestCorrelation = read }
}

// WithSetting is one key of the library's configuration, by its name in
// include/labkit.h.
func WithSetting(key string, value any) Option {
	return func(c *Config) {
		c.Settings = maps.Clone(c.Settings) // the caller's own may serve another client
		if c.Settings == nil {
			c.Settings = map[string]any{}
		}
		c.Settings[key] = value
	}
}
