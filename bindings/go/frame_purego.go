//go:build !cgo && !labkit_null && linux && (amd64 || arm64)

package labkit

import (
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// frame is what one call passes. The library reads and writes through addresses
// that Go does not see as such, so all that they lead to must lie on the heap,
// where nothing moves, and be held until the call has returned: texts are
// copied into the frame, everything else is kept in held.
type frame struct {
	arguments [12]uintptr
	count     int
	texts     uint16 // bit n: argument n is an offset into bytes
	bytes     []byte
	held      [3]unsafe.Pointer
	holds     int
}

// frames are used again, as a call must not allocate.
var frames = sync.Pool{New: func() any { return &frame{bytes: make([]byte, 0, 1024)} }}

// keptBytes is the most that a frame in waiting keeps: more than any checkpoint.
const keptBytes = 16 * 1024

func borrow() *frame {
	return frames.Get().(*frame)
}

func (f *frame) giveBack() {
	f.held = [3]unsafe.Pointer{}
	f.count, f.holds, f.texts, f.bytes = 0, 0, 0, f.bytes[:0]
	if cap(f.bytes) <= keptBytes {
		frames.Put(f)
	}
}

func (f *frame) push(argument uintptr) *frame {
	f.arguments[f.count] = argument
	f.count++
	return f
}

func (f *frame) hold(p unsafe.Pointer) *frame {
	f.held[f.holds] = p
	f.holds++
	return f.push(uintptr(p))
}

// text passes pointer and length. The empty text is absent, as in Go the zero
// value means "not given".
func (f *frame) text(s string) *frame {
	if s == "" {
		return f.push(0).push(0)
	}
	f.texts |= 1 << f.count
	f.push(uintptr(len(f.bytes))).push(uintptr(len(s)))
	f.bytes = append(f.bytes, s...)
	return f
}

func (f *frame) blob(b []byte) *frame {
	return f.text(unsafe.String(unsafe.SliceData(b), len(b)))
}

func (f *frame) client(h handle) *frame              { return f.push(uintptr(h)) }
func (f *frame) uint64(n uint64) *frame              { return f.push(uintptr(n)) }
func (f *frame) uint32(n uint32) *frame              { return f.push(uintptr(n)) }
func (f *frame) int64(n int64) *frame                { return f.push(uintptr(n)) }
func (f *frame) int32(n int32) *frame                { return f.push(uintptr(n)) }
func (f *frame) experience(xp *rawExperience) *frame { return f.hold(unsafe.Pointer(xp)) }
func (f *frame) clientOut(out *handle) *frame        { return f.hold(unsafe.Pointer(out)) }
func (f *frame) uint32Out(out *uint32) *frame        { return f.hold(unsafe.Pointer(out)) }
func (f *frame) sizeOut(out *uint64) *frame          { return f.hold(unsafe.Pointer(out)) }
func (f *frame) statsOut(out *rawStats) *frame       { return f.hold(unsafe.Pointer(out)) }

func (f *frame) room(buf []byte) *frame {
	return f.hold(unsafe.Pointer(unsafe.SliceData(buf))).push(uintptr(len(buf)))
}

// number makes the call, and gives the frame back.
func (f *frame) number(what *symbol) uintptr {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.bytes)))
	for i := range f.count {
		if f.texts&(1<<i) != 0 {
			f.arguments[i] += base
		}
	}
	result, _, _ := purego.SyscallN(what.address, f.arguments[:f.count]...)
	f.giveBack()
	return result
}

func (f *frame) call(what *symbol) Status {
	return Status(f.number(what))
}

func (f *frame) truth(what *symbol) bool {
	return byte(f.number(what)) != 0
}

// sentence copies the static text that the library answers with.
func (f *frame) sentence(what *symbol) string {
	address := f.number(what)
	// Not from the number, as Go does not know the library's memory.
	start := *(*unsafe.Pointer)(unsafe.Pointer(&address))
	length := 0
	for *(*byte)(unsafe.Add(start, length)) != 0 {
		length++
	}
	return string(unsafe.Slice((*byte)(start), length))
}
