package labkit_test

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

func TestOptionsChangeWhatTheySay(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	read := func(context.Context) string { return "request" }
	got := labkit.Config{Endpoint: "http://a", Type: "web"}
	for _, change := range []labkit.Option{
		labkit.WithEndpoint("http://b"), labkit.WithToken("secret"), labkit.WithStrict(true),
		labkit.WithSpool("/var/spool/labkit"), labkit.WithMemoryTransport(), labkit.WithLogger(logger),
		labkit.WithSetting("queue_items", 64), labkit.WithRequestCorrelation(read),
	} {
		change(&got)
	}
	if got.RequestCorrelation(t.Context()) != "request" {
		t.Error("it is not asked for the request's id")
	}
	got.RequestCorrelation = nil // functions do not compare
	want := labkit.Config{
		Endpoint: "http://b", Type: "web", Token: "secret", Strict: true, SpoolDir: "/var/spool/labkit",
		Transport: "memory", Logger: logger, Settings: map[string]any{"queue_items": 64},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestOfTwoOptionsTheLaterWins(t *testing.T) {
	base := labkit.Config{Definitions: definitions, Type: "web", Transport: "memory", Strict: true}
	client, err := labkit.New(base, labkit.WithStrict(true), labkit.WithStrict(false))
	check(t, err)
	defer client.Close()
	client.Start(t.Context(), "nobody_wrote_this") // strict, it would panic
}

func TestOptionsLeaveTheCallersConfigurationAlone(t *testing.T) {
	settings := map[string]any{"batch_items": 10}
	base := labkit.Config{Definitions: definitions, Type: "web", Settings: settings}
	client, err := labkit.New(base, labkit.WithMemoryTransport(), labkit.WithSetting("queue_items", 64))
	check(t, err)
	defer client.Close()
	if base.Transport != "" || !maps.Equal(settings, map[string]any{"batch_items": 10}) {
		t.Errorf("%+v", base)
	}
}
