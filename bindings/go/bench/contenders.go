package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	labkit "gitlab.com/labkit/labkit-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ours is labkit at its defaults.
func ours(sink string) (map[string]figure, []work, error) {
	_, here, _, _ := runtime.Caller(0)
	client, err := labkit.New(labkit.Config{
		Endpoint: sink, Type: "web",
		Definitions: filepath.Join(filepath.Dir(here), "../../../tests/scenarios/definitions"),
	})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	order := client.Definition("create_order")
	flush := func() error {
		if err := client.Flush(ctx); err != nil {
			return err
		}
		if s := client.Stats(); s.Dropped+s.Rejected > 0 {
			return fmt.Errorf("%d were dropped and %d rejected: these are not the usual costs", s.Dropped, s.Rejected)
		}
		return nil
	}
	record := func() func(bool) {
		_, xp := order.Start(ctx)
		return func(fields bool) {
			if !fields {
				xp.Checkpoint("form_posted")
				return
			}
			xp.Checkpoint("form_posted",
				labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
		}
	}
	experience := func(fields bool) {
		if !fields {
			_, xp := order.Start(ctx)
			xp.Complete()
			return
		}
		_, xp := order.Start(ctx,
			labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
		xp.Complete()
	}
	return allocations(order), []work{{"record", record, flush}, {"experience", alike(experience), flush}}, nil
}

// alike is for calls that need nothing of their own.
func alike(call func(fields bool)) func() func(bool) {
	return func() func(bool) { return call }
}

func allocations(order *labkit.Definition) map[string]figure {
	const runs = 100
	ctx := context.Background()
	_, xp := order.Start(ctx)
	var started []*labkit.Experience
	for range runs + 1 {
		_, xp := order.Start(ctx)
		started = append(started, xp)
	}
	count := func(call func()) figure { return figure{Calls: testing.AllocsPerRun(runs, call)} }
	return map[string]figure{
		"allocations of checkpoint": count(func() { xp.Checkpoint("form_posted") }),
		"allocations of checkpoint, 3 fields": count(func() {
			xp.Checkpoint("form_posted",
				labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
		}),
		"allocations of complete": count(func() { started[0].Complete(); started = started[1:] }),
		"allocations of start":    count(func() { order.Start(ctx) }),
		"allocations of start, 3 fields": count(func() {
			order.Start(ctx, labkit.Int("project_id", 7), labkit.String("kind", "gift"), labkit.Bool("new", true))
		}),
	}
}

// spans is OpenTelemetry with its batch processor and OTLP over HTTP, and a
// queue as long as ours.
func spans(sink string) (map[string]figure, []work, error) {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(sink+"/v1/traces"))
	if err != nil {
		return nil, nil, err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(8192)),
		sdktrace.WithResource(resource.Empty()))
	tracer := provider.Tracer("bench")
	span := func(fields bool) {
		if !fields {
			_, span := tracer.Start(ctx, "create_order")
			span.End()
			return
		}
		_, span := tracer.Start(ctx, "create_order", trace.WithAttributes(
			attribute.Int("project_id", 7), attribute.String("kind", "gift"), attribute.Bool("new", true)))
		span.End()
	}
	return map[string]figure{}, []work{{"opentelemetry span", alike(span), func() error { return provider.ForceFlush(ctx) }}}, nil
}

// lines is a JSON log line that says what our record says, written to where it
// costs only the call.
func lines(string) (map[string]figure, []work, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	logger := logrus.New()
	logger.SetOutput(null)
	logger.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	line := func(fields bool) {
		entry := logger.WithFields(logrus.Fields{
			"user_experience_id": "create_order", "correlation_id": "01KE6SJT800000000000000001",
			"checkpoint": "intermediate", "checkpoint_category": "form_posted", "type": "web",
			"feature_category": "checkout", "urgency": "custom",
		})
		if fields {
			entry = entry.WithFields(logrus.Fields{"project_id": 7, "kind": "gift", "new": true})
		}
		entry.Info("create_order")
	}
	return map[string]figure{}, []work{{"logrus line", alike(line), func() error { return nil }}}, nil
}
