package labkit_test

import (
	"encoding/json"
	"errors"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

func newMemoryClient(t testing.TB, strict bool, settings map[string]any) *labkit.Client {
	t.Helper()
	return newClient(t, labkit.Config{
		Definitions: definitions, Type: "web", Transport: "memory", Strict: strict, Settings: settings,
	})
}

func newClient(t testing.TB, config labkit.Config) *labkit.Client {
	t.Helper()
	client, err := labkit.New(config)
	check(t, err)
	if client == nil {
		t.Fatal("the library is missing; the log says which one") // a null client would pass some tests
	}
	t.Cleanup(func() { check(t, client.Close()) })
	return client
}

// mistake runs f and gives the status that it panicked with, "" for none.
func mistake(f func()) (status string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *labkit.Error:
			status = v.Status.String()
		default:
			panic(v)
		}
	}()
	f()
	return ""
}

func requireBalance(t testing.TB, s labkit.Stats) {
	t.Helper()
	if s.Recorded != s.Acknowledged+s.Rejected+s.Queued+s.Dropped {
		t.Errorf("the ledger does not balance: %+v", s)
	}
}

func requireStatus(t testing.TB, err error, want labkit.Status) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, expected %s", err, want)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decode(line string) (c map[string]any) {
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		panic(err)
	}
	return c
}
