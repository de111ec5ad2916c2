//go:build !labkit_shared && !labkit_null

package labkit

// The one object in which only the labkit_ symbols are visible, so that it
// lives beside other static Rust libraries, and the program stays one file.

// #cgo LDFLAGS: ${SRCDIR}/../../target/lib/liblabkit.o -lm -ldl -lpthread
import "C"
