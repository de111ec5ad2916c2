//go:build !cgo

package labkit

import (
	"strings"
	"testing"
)

func TestWithoutCgoTheFirstCallSaysSo(t *testing.T) {
	client, err := New(Config{Endpoint: "http://127.0.0.1:8480", Definitions: "d", Type: "web"})
	if client != nil || err == nil || !strings.Contains(err.Error(), "cgo") {
		t.Errorf("%v, %v", client, err)
	}
	_, xp := client.Start(t.Context(), "create_order")
	xp.Checkpoint("ignored").Complete()
}
