package labkit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// exit is how a block was left; the library decides what follows from it.
type exit uint32

const (
	exitNormal    exit = 0
	exitError     exit = 1
	exitNonLocal  exit = 2
	exitCancelled exit = 3
	exitAbandoned exit = 4
	exitRestarted exit = 5
)

// Do runs block within an experience of its own, and returns what it returned.
// The experience ends with the block, unless that has ended it itself:
//
//   - nil: success, or what was marked;
//   - an error: error, with its message as the reason;
//   - an error that is [context.Canceled]: handled, reason "cancelled", as
//     nobody waits for it any more;
//   - a panic: error, and the panic goes on unchanged;
//   - [runtime.Goexit], or the end of the process: no end is sent, and the
//     tracker sees a lost one.
//
// However it ends, the end carries attrs, too, unless the block has ended it.
// A block within a block of the same id is an experience of its own. A null
// definition runs its block all the same, with a nil experience.
func (d *Definition) Do(
	ctx context.Context, block func(context.Context, *Experience) error, attrs ...Attr,
) (err error) {
	if d.isNull() {
		return block(ctx, nil)
	}
	ctx = orBackground(ctx)
	ctx, xp := d.begin(ctx, scopeOf(ctx), attrs)
	if xp == nil {
		return block(ctx, nil)
	}
	returned := false
	defer func() {
		if returned {
			xp.left(err)
		} else if v := recover(); v != nil {
			xp.leave(exitError, panicMessage(v))
			panic(v)
		} else {
			xp.leave(exitAbandoned, "")
		}
	}()
	err = block(ctx, xp)
	returned = true
	return err
}

// Done ends the experience with the function that defers it, as the block of
// [Client.Do] would, with the fields that Start was given; err is the function's
// named result, or nil if it has none:
//
//	func createOrder(ctx context.Context) (err error) {
//		ctx, xp := client.Start(ctx, "create_order")
//		defer xp.Done(&err)
//
// Defer it directly. As with recover, a call from within a deferred closure
// cannot see a panic, and takes it for a normal end.
func (xp *Experience) Done(err *error) {
	if xp == nil {
		return
	}
	if v := recover(); v != nil {
		xp.leave(exitError, panicMessage(v))
		panic(v)
	}
	switch {
	case callerPC() == goexitPC():
		xp.leave(exitAbandoned, "")
	case err == nil:
		xp.leave(exitNormal, "")
	default:
		xp.left(*err)
	}
}

// left ends what returned err.
func (xp *Experience) left(err error) {
	switch {
	case err == nil:
		xp.leave(exitNormal, "")
	case errors.Is(err, context.Canceled):
		xp.leave(exitCancelled, "")
	default:
		xp.leave(exitError, message(err))
	}
}

// leave ends it with its block, whose end carries what its start was given.
func (xp *Experience) leave(how exit, reason string) {
	xp.mu.Lock()
	status := nativeLeaveWith(&xp.raw, how, reason, xp.given.meta())
	xp.mu.Unlock()
	xp.settle("leave", status)
}

// displace ends it because another takes its place, whatever it was given.
func (xp *Experience) displace() {
	xp.mu.Lock()
	status := nativeLeave(&xp.raw, exitRestarted, "")
	xp.mu.Unlock()
	xp.settle("leave", status)
}

func panicMessage(v any) string {
	if err, ok := v.(error); ok {
		return message(err)
	}
	return fmt.Sprint(v)
}

// callerPC is where the caller of its caller goes on.
func callerPC() uintptr {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	return pc[0]
}

// goexitPC is the place in runtime.Goexit that runs deferred functions. A
// deferred function that is called during Goexit gets nil from recover, as at a
// normal return; that it returns to this place is the one difference. It is
// learned by doing it once.
var goexitPC = sync.OnceValue(func() uintptr {
	learned := make(chan uintptr)
	go func() {
		defer func() { learned <- callerPC() }()
		runtime.Goexit()
	}()
	return <-learned
})
