package labkit

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestFieldsBecomeJSONInTheirOrder(t *testing.T) {
	for _, c := range []struct {
		want  string
		attrs []Attr
	}{
		{``, nil},
		{``, []Attr{WithCorrelation("x"), WithJob("y"), WithCategory("z")}},
		{`{"b":1,"a":"x"}`, []Attr{Int("b", 1), WithJob("y"), String("a", "x")}},
		{`{"i":-9223372036854775808,"u":18446744073709551615}`,
			[]Attr{Int64("i", math.MinInt64), Uint64("u", math.MaxUint64)}},
		{`{"t":true,"f":false,"n":null}`, []Attr{Bool("t", true), Bool("f", false), Any("n", nil)}},
		{`{"nan":{},"inf":{},"chan":{},"panic":{}}`, []Attr{
			Float64("nan", math.NaN()), Float64("inf", math.Inf(-1)),
			Any("chan", make(chan int)), Any("panic", panics{})}},
		{`{"e":"boom","d":"1.5s","at":"2026-01-05T10:00:00Z"}`, []Attr{
			Any("e", errors.New("boom")), Any("d", 1500*time.Millisecond),
			Any("at", time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC))}},
		{`{"small":7,"list":[1],"number":12.50}`, []Attr{
			Any("small", int8(7)), Any("list", []int{1}), Any("number", json.Number("12.50"))}},
		{`{"a\"b\\":"\u0000\n\r\t\u001f/"}`, []Attr{String("a\"b\\", "\x00\n\r\t\x1f/")}},
	} {
		if got := string(appendMeta(nil, c.attrs)); got != c.want {
			t.Errorf("%s, expected %s", got, c.want)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("a caller's own") }

func TestNumbersReadAsTheyWereWritten(t *testing.T) {
	for _, f := range []float64{0, 12.5, -1, 1e-7, 1e21, 1e20, 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		ours := appendFloat(nil, f)
		var back float64
		if err := json.Unmarshal(ours, &back); err != nil || back != f {
			t.Errorf("%v became %s (%v)", f, ours, err)
		}
	}
}

func TestNoMoreIsEncodedThanTheLibraryLooksAt(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	for name, attrs := range map[string][]Attr{
		"text": {String("a", huge)}, "key": {String(huge, "a")}, "JSON": {Any("a", []string{huge})},
	} {
		size := len(appendMeta(nil, attrs))
		if size <= metaBytes || size > 2*metaBytes+64 {
			t.Errorf("%s: %d bytes", name, size)
		}
	}
}

func FuzzTextSurvivesJSON(f *testing.F) {
	for _, seed := range []string{"", "plain", "Zoë \"漢\"\n", "\x00\x1f\x7f", "a\\b", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		if len(s) > metaBytes {
			return // longer ones are cut
		}
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != s {
			t.Errorf("%q became %q (%v)", s, back, err)
		}
	})
}
