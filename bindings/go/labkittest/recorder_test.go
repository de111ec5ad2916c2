package labkittest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkittest"
)

const definitions = "../../../tests/scenarios/definitions"

func TestARecorderTellsTheStory(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	_, xp := recorder.Client.Start(t.Context(), "create_order", labkit.Int("items", 3))
	xp.Checkpoint("form_posted").Checkpoint("")
	recorder.Require("create_order", "start", "intermediate:form_posted", "intermediate")
	xp.Handled("out_of_stock").Complete()
	recorder.Require("create_order",
		"start", "intermediate:form_posted", "intermediate", "end:handled")
	recorder.Require("sign_in")

	seen := recorder.Of("create_order")
	if seen[0].Meta["items"] != 3.0 || seen[3].Reason != "out_of_stock" {
		t.Errorf("%+v", seen)
	}
	recorder.Reset()
	recorder.Require("create_order")
}

func TestARecordersClockStandsStill(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	start := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	recorder.SetTime(start)
	_, xp := recorder.Client.Start(t.Context(), "create_order")
	recorder.Advance(1500 * time.Millisecond)
	xp.Complete()
	seen := recorder.Of("create_order")
	if !seen[0].Time.Equal(start) || *seen[1].ElapsedMs != 1500 {
		t.Errorf("%+v", seen)
	}
}

func TestARecorderFailsTheTestThatExpectedAnotherStory(t *testing.T) {
	watched := &watchedTest{TB: t}
	recorder := labkittest.New(watched, definitions)
	recorder.Client.Start(t.Context(), "create_order")
	recorder.Require("create_order", "start", "end:success")
	if !strings.Contains(watched.fatal, `recorded ["start"], expected ["start" "end:success"]`) {
		t.Errorf("%q", watched.fatal)
	}
}

func TestARecordersClientIsStrict(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	defer func() {
		if err, ok := recover().(*labkit.Error); !ok || err.Status != labkit.StatusReservedKey {
			t.Errorf("%v", err)
		}
	}()
	recorder.Client.Start(t.Context(), "create_order", labkit.String("urgency", "high"))
}

func TestARecordersConfigurationMayBeChanged(t *testing.T) {
	recorder := labkittest.New(t, definitions, func(c *labkit.Config) { c.Strict = false })
	recorder.Client.Start(t.Context(), "nobody_wrote_this")
}

type watchedTest struct {
	testing.TB
	fatal string
}

func (w *watchedTest) Fatalf(format string, args ...any) { w.fatal = fmt.Sprintf(format, args...) }
