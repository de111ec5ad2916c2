//go:build labkit_shared && !labkit_null

package labkit

// The rpath serves a checkout. An installed library is found by the system, or
// by flags in CGO_LDFLAGS, which come after these.

// #cgo LDFLAGS: -L${SRCDIR}/../../target/lib -llabkit -Wl,-rpath,${SRCDIR}/../../target/lib
import "C"
