package labkit

import "context"

// scope is one link of the chain of experiences that a context holds. It lies
// within its experience and is the context that Start returns, so that both
// cost one allocation. Nothing in it changes once it is made.
type scope struct {
	context.Context
	xp    *Experience // nil: an inner scope begins here
	outer *scope
}

type scopeKey struct{}

// Value finds the scope itself, and otherwise asks the context around it.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// String keeps the experience's insides out of a printed context.
func (s *scope) String() string {
	return "labkit.scope"
}

// FromContext finds the active experience of this id that was started or
// resumed last in ctx; nil, which is a null one, if there is none.
func FromContext(ctx context.Context, id string) *Experience {
	if ctx == nil {
		return nil
	}
	return scopeOf(ctx).active(id)
}

// NewScope returns a context that sees none of the experiences of ctx, for work
// that runs within a request and is not of it, such as a job run in place. The
// outer context is what it was.
func NewScope(ctx context.Context) context.Context {
	return &scope{Context: orBackground(ctx)}
}

// Carrier is one carrier for all active experiences of ctx, for a job's
// payload; "" if there are none. It is at most 4 KiB, which is what Resume
// takes: of more experiences than fit, those started last are in it.
func Carrier(ctx context.Context) string {
	const most = 4096
	return carrier(ctx, most)
}

func carrier(ctx context.Context, most int) string {
	if ctx == nil {
		return ""
	}
	var all []byte
	seen := make(map[string]bool)
	for s := scopeOf(ctx); s != nil && s.xp != nil; s = s.outer {
		id := s.xp.definition.id
		if seen[id] {
			continue // an outer one of the same id
		}
		one := s.xp.Carrier()
		if one == "" {
			continue
		}
		if len(all)+len(one) > most {
			break
		}
		seen[id] = true
		if all == nil {
			all = append(all, one...)
			continue
		}
		all[len(all)-1] = ',' // {a} and {b} are {a,b}
		all = append(all, one[1:]...)
	}
	return string(all)
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

func (s *scope) active(id string) *Experience {
	for ; s != nil && s.xp != nil; s = s.outer {
		if s.xp.definition.id == id && s.xp.IsActive() {
			return s.xp
		}
	}
	return nil
}

// blank prepares an experience for the library to fill.
func (d *Definition) blank(ctx context.Context, outer *scope) *Experience {
	xp := &Experience{definition: d}
	xp.scope = scope{Context: ctx, xp: xp, outer: outer}
	return xp
}

// begun makes an experience that the library has filled the innermost one. A
// start that was dropped has begun all the same: only its checkpoint is lost.
func (xp *Experience) begun(ctx context.Context, op string, status Status) (context.Context, *Experience) {
	xp.settle(op, status)
	if status == StatusOK || status == StatusQueueFull || status == StatusShutDown {
		return &xp.scope, xp
	}
	return ctx, nil
}
