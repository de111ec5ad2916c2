package labkit

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Attr is an extra field of a call, as in log/slog: it becomes a member of the
// checkpoint's meta, in the order given. Options of a call, such as
// [WithCorrelation], have the same type, so that both fit one argument list
// without an allocation.
//
// At most 32 fields and 4 KiB of JSON; names that the log line owns
// (checkpoint, urgency, error, outcome, ...) are reserved.
type Attr struct {
	key  string
	text string
	num  uint64
	kind kind
}

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindUint
	kindFloat
	kindBool
	kindJSON // text is the value's JSON
	kindCorrelation
	kindJob
	kindCategory
)

const (
	// metaBytes is what the library takes; of more it only wants to know that
	// it is more, so nothing beyond is encoded or copied.
	metaBytes = 4096
	// metaBuffer is on the caller's stack: a handful of fields fits.
	metaBuffer = 512
	// notScalar stands for a value that JSON cannot express. The library
	// treats it as it treats every value that is no scalar.
	notScalar = "{}"
)

// String is a text.
func String(key, value string) Attr {
	return Attr{key: key, text: value, kind: kindString}
}

// Int is a whole number.
func Int(key string, value int) Attr {
	return Int64(key, int64(value))
}

// Int64 is a whole number.
func Int64(key string, value int64) Attr {
	return Attr{key: key, num: uint64(value), kind: kindInt}
}

// Uint64 is a whole number.
func Uint64(key string, value uint64) Attr {
	return Attr{key: key, num: value, kind: kindUint}
}

// Float64 is a finite number; NaN and infinities are mistakes.
func Float64(key string, value float64) Attr {
	return Attr{key: key, num: math.Float64bits(value), kind: kindFloat}
}

// Bool is true or false.
func Bool(key string, value bool) Attr {
	a := Attr{key: key, kind: kindBool}
	if value {
		a.num = 1
	}
	return a
}

// Any takes whatever scalar a value is: text, number, boolean or nil; an error
// and a [fmt.Stringer] are their text, a [time.Time] is RFC 3339. Anything
// else is passed as encoding/json writes it, and refused unless that is a
// scalar. It is slower than the typed ones.
func Any(key string, value any) Attr {
	switch v := value.(type) {
	case nil:
		return Attr{key: key, text: "null", kind: kindJSON}
	case string:
		return String(key, v)
	case bool:
		return Bool(key, v)
	case int:
		return Int(key, v)
	case int64:
		return Int64(key, v)
	case uint64:
		return Uint64(key, v)
	case float64:
		return Float64(key, v)
	case json.Number:
		return Attr{key: key, text: v.String(), kind: kindJSON}
	case time.Time:
		return String(key, v.Format(time.RFC3339Nano))
	case error:
		return String(key, message(v))
	case fmt.Stringer:
		return String(key, fmt.Sprint(v)) // Sprint survives a String that panics
	}
	return Attr{key: key, text: encoded(value), kind: kindJSON}
}

func encoded(value any) (text string) {
	defer func() {
		if recover() != nil { // a MarshalJSON of the caller's
			text = notScalar
		}
	}()
	b, err := json.Marshal(value)
	if err != nil {
		return notScalar
	}
	return string(b)
}

// WithCorrelation gives an experience its correlation id, a ULID or 32 hex
// digits, instead of a fresh one. For Start, Do and Observed.
func WithCorrelation(id string) Attr {
	return Attr{text: id, kind: kindCorrelation}
}

// WithJob names the job that Resume is called for: its own correlation id or
// jid, from which the experience's is derived if the carrier has none.
func WithJob(id string) Attr {
	return Attr{text: id, kind: kindJob}
}

// WithCategory names Resume's checkpoint, ^[a-z0-9_]{1,64}$; "resume" by
// default.
func WithCategory(category string) Attr {
	return Attr{text: category, kind: kindCategory}
}

// option finds the text of an option among attrs.
func option(attrs []Attr, wanted kind) string {
	for i := range attrs {
		if attrs[i].kind == wanted {
			return attrs[i].text
		}
	}
	return ""
}

// appendMeta appends the fields as one JSON object; nothing if there are none.
func appendMeta(b []byte, attrs []Attr) []byte {
	start := len(b)
	for i := range attrs {
		a := &attrs[i]
		if a.kind >= kindCorrelation {
			continue
		}
		if len(b) == start {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = appendString(b, a.key)
		b = append(b, ':')
		b = appendValue(b, a)
		if len(b)-start > metaBytes {
			return b // too much already: the library looks no further
		}
	}
	if len(b) == start {
		return b
	}
	return append(b, '}')
}

func appendValue(b []byte, a *Attr) []byte {
	switch a.kind {
	case kindString:
		return appendString(b, a.text)
	case kindInt:
		return strconv.AppendInt(b, int64(a.num), 10)
	case kindUint:
		return strconv.AppendUint(b, a.num, 10)
	case kindFloat:
		return appendFloat(b, math.Float64frombits(a.num))
	case kindBool:
		return strconv.AppendBool(b, a.num == 1)
	default:
		return append(b, a.text[:min(len(a.text), metaBytes+1)]...)
	}
}

// appendFloat writes numbers as encoding/json does.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, notScalar...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// appendString quotes what JSON must have quoted. Bytes that are no UTF-8 pass
// as they are: the library repairs them.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = s[:min(len(s), metaBytes+1)]
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
