// The shop's checker: takes up the experience that came with the request,
// finds out whether the branches can be merged, and ends it if they cannot.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

func check(w http.ResponseWriter, r *http.Request) {
	xp := labkit.FromContext(r.Context(), "create_merge_request")
	if r.URL.Query().Get("wish") == "handled" {
		xp.Handled("merge_conflict")
		xp.Complete()
		w.WriteHeader(http.StatusConflict)
		return
	}
	xp.Checkpoint("branches_checked", labkit.Int("conflicts", 0))
}

func main() {
	client, err := labkit.New(labkit.Config{
		Endpoint:    os.Getenv("TRACKER"),
		Definitions: os.Getenv("DEFINITIONS"),
		Type:        "checker",
		BatchAge:    50 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The front is on this machine, and nobody else can reach loopback.
	trust := func(*http.Request) bool { return true }
	mux := http.NewServeMux()
	mux.HandleFunc("POST /check", check)
	server := &http.Server{Handler: client.Middleware(trust)(mux)}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		_ = server.Shutdown(context.Background())
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	deadline, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	_ = client.Shutdown(deadline)
}
