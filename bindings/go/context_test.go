package labkit_test

import (
	"context"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkittest"
)

func TestAContextHoldsWhatWasStartedInIt(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	outer, order := client.Start(t.Context(), "create_order")
	inner, signIn := client.Start(outer, "sign_in")
	if labkit.FromContext(inner, "create_order") != order || labkit.FromContext(inner, "sign_in") != signIn {
		t.Error("the inner context does not see both")
	}
	if labkit.FromContext(outer, "sign_in") != nil {
		t.Error("the outer context sees what began in the inner one")
	}
	order.Complete()
	if labkit.FromContext(inner, "create_order") != nil {
		t.Error("one that is over is seen as active")
	}
}

func TestAGoroutineSeesWhatItsContextHolds(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			ctx, xp := recorder.Client.Start(context.Background(), "create_order")
			if labkit.FromContext(ctx, "create_order") != xp {
				t.Error("a goroutine sees another's experience")
			}
			xp.Complete()
		}()
	}
	for range 4 {
		<-done
	}
	for _, c := range recorder.Of("create_order") {
		if c.Checkpoint == "end" && c.Outcome != "success" {
			t.Errorf("one goroutine's start discarded another's: %+v", c)
		}
	}
}

func TestAStartDiscardsTheActiveOneOfItsId(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	ctx, first := recorder.Client.Start(t.Context(), "create_order")
	ctx, second := recorder.Client.Start(ctx, "create_order")
	if first.IsActive() || labkit.FromContext(ctx, "create_order") != second {
		t.Error("the first one is still there")
	}
	second.Complete()
	recorder.Require("create_order", "start", "end:discarded", "start", "end:success")
}

func TestANestedBlockDiscardsNothing(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	order := recorder.Client.Definition("create_order")
	check(t, order.Do(t.Context(), func(ctx context.Context, outer *labkit.Experience) error {
		check(t, order.Do(ctx, func(ctx context.Context, inner *labkit.Experience) error {
			if labkit.FromContext(ctx, "create_order") != inner {
				t.Error("the inner block sees the outer one")
			}
			return nil
		}))
		if labkit.FromContext(ctx, "create_order") != outer || !outer.IsActive() {
			t.Error("the outer one is not restored")
		}
		return nil
	}))
	recorder.Require("create_order", "start", "start", "end:success", "end:success")
}

func TestAnInnerScopeSeesNothingAndChangesNothing(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	outer, order := recorder.Client.Start(t.Context(), "create_order")
	inner := labkit.NewScope(outer)
	if labkit.FromContext(inner, "create_order") != nil || labkit.Carrier(inner) != "" {
		t.Error("the inner scope sees the outer experience")
	}
	_, job := recorder.Client.Start(inner, "create_order")
	job.Complete()
	if labkit.FromContext(outer, "create_order") != order {
		t.Error("the outer one was touched")
	}
}

func TestAStartedContextIsStillItsParent(t *testing.T) {
	type key struct{}
	client := newMemoryClient(t, true, nil)
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	ctx, _ := client.Start(parent, "create_order")
	child, stop := context.WithCancel(ctx)
	defer stop()
	if child.Value(key{}) != "value" {
		t.Error("the parent's value is gone")
	}
	cancel(errDeclined)
	<-child.Done()
	if context.Cause(child) != errDeclined {
		t.Error(context.Cause(child))
	}
}

func TestNoContextIsTheBackground(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	var none context.Context
	ctx, xp := client.Start(none, "create_order")
	if labkit.FromContext(ctx, "create_order") != xp || labkit.FromContext(none, "create_order") != nil {
		t.Error("a nil context is not treated as an empty one")
	}
}

func TestACarrierHoldsAllThatIsActive(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	client := recorder.Client
	if labkit.Carrier(t.Context()) != "" {
		t.Error("a carrier of nothing")
	}
	ctx, order := client.Start(t.Context(), "create_order")
	ctx, signIn := client.Start(ctx, "sign_in")
	both := labkit.Carrier(ctx)
	for _, id := range []string{"create_order", "sign_in"} {
		_, xp := client.Resume(context.Background(), id, both)
		same := order.Info().CorrelationID
		if id == "sign_in" {
			same = signIn.Info().CorrelationID
		}
		if xp.Info().CorrelationID != same {
			t.Errorf("%s: %q from %s", id, xp.Info().CorrelationID, both)
		}
	}
	signIn.Complete()
	if got := labkit.Carrier(ctx); got != order.Carrier() || strings.Contains(got, "sign_in") {
		t.Error(got)
	}
}

func TestACarrierTakesTheInnermostOfOneId(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	check(t, client.Do(t.Context(), "create_order", func(ctx context.Context, _ *labkit.Experience) error {
		return client.Do(ctx, "create_order", func(ctx context.Context, inner *labkit.Experience) error {
			if labkit.Carrier(ctx) != inner.Carrier() {
				t.Error(labkit.Carrier(ctx))
			}
			return nil
		})
	}))
}

func TestTheRequestsCorrelationIdBecomesAField(t *testing.T) {
	type key struct{}
	recorder := labkittest.New(t, definitions, func(c *labkit.Config) {
		c.RequestCorrelation = func(ctx context.Context) string {
			id, _ := ctx.Value(key{}).(string)
			return id
		}
	})
	ctx := context.WithValue(t.Context(), key{}, "req-1")
	recorder.Client.Start(ctx, "create_order")
	recorder.Client.Start(ctx, "sign_in", labkit.Int("n", 1))
	recorder.Client.Start(t.Context(), "sign_in", labkit.Int("n", 1))
	recorder.Client.Start(ctx, "sign_in", labkit.String("request_correlation_id", "mine"))
	var got []any
	for _, c := range recorder.Checkpoints() {
		got = append(got, c.Meta["request_correlation_id"])
	}
	if len(got) != 4 || got[0] != "req-1" || got[1] != "req-1" || got[2] != nil || got[3] != "mine" {
		t.Error(got)
	}
}
