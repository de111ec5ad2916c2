package labkit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkittest"
)

var errDeclined = errors.New("card declined")

// leaver runs body within an experience, in one of the two block forms.
type leaver func(c *labkit.Client, body func() error) error

var forms = map[string]leaver{
	"Do": func(c *labkit.Client, body func() error) error {
		return c.Do(context.Background(), "create_order", func(context.Context, *labkit.Experience) error {
			return body()
		})
	},
	"Done": func(c *labkit.Client, body func() error) (err error) {
		_, xp := c.Start(context.Background(), "create_order")
		defer xp.Done(&err)
		return body()
	},
}

func TestABlockEndsAsItIsLeft(t *testing.T) {
	for form, run := range forms {
		for _, c := range []struct {
			exit, end, reason string
			body              func() error
		}{
			{"return of nil", "end:success", "", func() error { return nil }},
			{"return of an error", "end:error", "card declined", func() error { return errDeclined }},
			{"return of a cancellation", "end:handled", "cancelled",
				func() error { return fmt.Errorf("query: %w", context.Canceled) }},
			{"return after a deadline", "end:error", "context deadline exceeded",
				func() error { return context.DeadlineExceeded }},
			{"panic with an error", "end:error", "card declined", func() error { panic(errDeclined) }},
			{"panic with a text", "end:error", "boom", func() error { panic("boom") }},
			{"panic with a number", "end:error", "42", func() error { panic(42) }},
			{"Goexit", "", "", func() error { runtime.Goexit(); return nil }},
		} {
			t.Run(form+" left by "+c.exit, func(t *testing.T) {
				recorder := labkittest.New(t, definitions)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					defer func() { _ = recover() }()
					_ = run(recorder.Client, c.body)
				}()
				<-ended
				if c.end == "" {
					recorder.Require("create_order", "start")
					return
				}
				recorder.Require("create_order", "start", c.end)
				if end := recorder.Of("create_order")[1]; end.Reason != c.reason {
					t.Errorf("reason %q, expected %q", end.Reason, c.reason)
				}
			})
		}
	}
}

func TestAPanicGoesOnUnchanged(t *testing.T) {
	for form, run := range forms {
		t.Run(form, func(t *testing.T) {
			recorder := labkittest.New(t, definitions)
			type private struct{ n *int }
			thrown := private{new(int)}
			defer func() {
				if got := recover(); got != thrown {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = run(recorder.Client, func() error { panic(thrown) })
		})
	}
}

func TestABlocksErrorIsReturnedAsItIs(t *testing.T) {
	for form, run := range forms {
		recorder := labkittest.New(t, definitions)
		if err := run(recorder.Client, func() error { return errDeclined }); err != errDeclined {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestDoneWithoutAResultEndsWell(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	func() {
		_, xp := recorder.Client.Start(t.Context(), "create_order")
		defer xp.Done(nil)
	}()
	recorder.Require("create_order", "start", "end:success")
}

func TestDoneDuringAPanicOfSomebodyElseEndsWell(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	cleanUp := func() (err error) {
		_, xp := recorder.Client.Start(t.Context(), "sign_in")
		defer xp.Done(&err)
		return nil
	}
	func() {
		defer func() { _ = recover() }()
		defer func() { check(t, cleanUp()) }()
		panic("not in the experience")
	}()
	recorder.Require("sign_in", "start", "end:success")
}

func TestDoneSeesAGoexitFromDeeperDown(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, xp := recorder.Client.Start(context.Background(), "create_order")
		for range 1 {
			defer xp.Done(nil) // in a loop, defers take another way through the runtime
		}
		func() { defer func() {}(); runtime.Goexit() }()
	}()
	<-ended
	recorder.Require("create_order", "start")
}

func TestABlockThatEndedItsExperienceEndsItOnce(t *testing.T) {
	for form, run := range map[string]func(c *labkit.Client) error{
		"Do": func(c *labkit.Client) error {
			return c.Do(context.Background(), "create_order", func(_ context.Context, xp *labkit.Experience) error {
				xp.Complete()
				return errDeclined
			})
		},
		"Done": func(c *labkit.Client) (err error) {
			_, xp := c.Start(context.Background(), "create_order")
			defer xp.Done(&err)
			xp.Complete()
			return errDeclined
		},
	} {
		t.Run(form, func(t *testing.T) {
			recorder := labkittest.New(t, definitions)
			if err := run(recorder.Client); err != errDeclined {
				t.Error(err)
			}
			recorder.Require("create_order", "start", "end:success")
		})
	}
}

func TestTheBlockOfANullExperienceRunsAndItsResultIsReturned(t *testing.T) {
	var noClient *labkit.Client
	production := newMemoryClient(t, false, nil)
	closed, err := labkit.New(labkit.Config{Definitions: definitions, Type: "web", Transport: "memory"})
	check(t, err)
	check(t, closed.Close())
	for name, client := range map[string]*labkit.Client{"nil": noClient, "unknown id": production, "closed": closed} {
		for form, run := range map[string]func() error{
			"Do": func() error {
				return client.Do(t.Context(), "nobody_wrote_this",
					func(ctx context.Context, xp *labkit.Experience) error {
						xp.Checkpoint("ignored").Handled("ignored").Error(errDeclined).Complete()
						return errDeclined
					})
			},
			"Done": func() (err error) {
				_, xp := client.Start(t.Context(), "nobody_wrote_this")
				defer xp.Done(&err)
				return errDeclined
			},
		} {
			if err := run(); err != errDeclined {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
	}
	if stats := production.Stats(); stats.Recorded != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestAnErrorWhoseMessagePanicsIsItsType(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	_, xp := recorder.Client.Start(t.Context(), "create_order")
	xp.Error((*brokenError)(nil)).Complete()
	if got := recorder.Of("create_order")[1].Reason; got != "*labkit_test.brokenError" {
		t.Error(got)
	}
}

type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func TestAnErrorOfNilMarksNothing(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	_, xp := recorder.Client.Start(t.Context(), "create_order")
	xp.Error(nil).Complete()
	recorder.Require("create_order", "start", "end:success")
}

func TestExperiencesAreSafeToShare(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	_, xp := recorder.Client.Start(t.Context(), "create_order")
	const goroutines, each = 8, 50
	done := make(chan struct{})
	for range goroutines {
		go func() {
			for i := range each {
				xp.Checkpoint("shared", labkit.Int("i", i))
			}
			done <- struct{}{}
		}()
	}
	for range goroutines {
		<-done
	}
	for range goroutines {
		go func() { xp.Complete(); done <- struct{}{} }()
	}
	for range goroutines {
		<-done
	}
	story := recorder.Story("create_order")
	ends := slices.DeleteFunc(slices.Clone(story), func(s string) bool { return s != "end:success" })
	if len(story) != 2+goroutines*each || len(ends) != 1 {
		t.Errorf("%d checkpoints, %d ends", len(story), len(ends))
	}
}

func TestEveryBlockEndsWithTheFieldsThatItBeganWith(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	client, ctx, field := recorder.Client, context.Background(), labkit.Int("project_id", 7)
	long := labkit.String("text", strings.Repeat("x", 1000)) // more than an experience has room for
	_ = client.Do(ctx, "create_order", func(context.Context, *labkit.Experience) error { return errDeclined }, field)
	_ = client.Do(ctx, "sign_in", func(context.Context, *labkit.Experience) error { return nil }, long)
	func() {
		_, xp := client.Start(ctx, "create_order", field)
		defer xp.Done(nil)
	}()
	outer, first := client.Start(ctx, "create_order", field)
	_, second := client.Resume(ctx, "create_order", first.Carrier(), field)
	second.Done(nil)
	client.Start(outer, "create_order") // displaces the first, whose block nobody left
	_ = client.Do(ctx, "create_order", func(_ context.Context, xp *labkit.Experience) error {
		xp.Complete(labkit.Int("early", 1))
		return nil
	}, field)

	var metas []string
	for _, c := range recorder.Of("create_order") {
		metas = append(metas, fmt.Sprint(c.Checkpoint, " ", c.Meta))
	}
	given := " map[project_id:7]"
	want := []string{
		"start" + given, "end" + given, // Do
		"start" + given, "end" + given, // Done
		"start" + given, "intermediate" + given, "end" + given, "end map[]", "start map[]", // Resume, and the first
		"start" + given, "end map[early:1]",
	}
	if !slices.Equal(metas, want) {
		t.Errorf("sent %q", metas)
	}
	for _, c := range recorder.Of("sign_in") {
		if len(fmt.Sprint(c.Meta["text"])) != 1000 {
			t.Errorf("%s has %v", c.Checkpoint, c.Meta)
		}
	}
}
