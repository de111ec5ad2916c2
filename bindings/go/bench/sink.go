package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// sink takes what both exporters send, until its standard input ends.
func sink() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /v1/checkpoints", func(w http.ResponseWriter, r *http.Request) {
		var batch struct {
			Checkpoints []json.RawMessage `json:"checkpoints"`
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = unzipped
		}
		if err := json.NewDecoder(body).Decode(&batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"server_timestamp":"2026-01-05T10:00:00.000Z","accepted":%d,"duplicate":0,"rejected":[]}`,
			len(batch.Checkpoints))
	})
	routes.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf") // no bytes: an empty answer
	})
	fmt.Printf("http://%s\n", listener.Addr())
	go func() { _ = http.Serve(listener, routes) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
