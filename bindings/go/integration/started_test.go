package integration_test

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// page is the getting-started page, with the paths of this checkout.
type page struct {
	t    *testing.T
	text string
}

func readPage(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../GETTING_STARTED.md")
	check(t, err)
	return &page{t, strings.ReplaceAll(string(text), "/path/to/labkit", root(t))}
}

// after is the first block that follows these words.
func (p *page) after(words string) string {
	p.t.Helper()
	_, rest, found := strings.Cut(p.text, words)
	if !found {
		p.t.Fatalf("the page does not say %q", words)
	}
	return regexp.MustCompile("(?s)```\\w+\n(.*?)```").FindStringSubmatch(rest)[1]
}

func TestTheGettingStartedPageWorksAsWritten(t *testing.T) {
	p := readPage(t)
	directory := t.TempDir()
	shell := func(script string, more ...string) string {
		t.Helper()
		return run(t, directory, append(os.Environ(), more...), "bash", "-euc", script)
	}
	// The library and the tracker are built before: it is tried by make itself.
	if built := p.after("is built once"); !strings.HasSuffix(built, " lib tracker\n") {
		t.Errorf("the page builds something else: %s", built)
	}
	shell(p.after("takes the package from"))
	write(t, directory, map[string]string{
		"config/user_experience_slis/create_order.yml": p.after("create_order.yml`:"),
		"main.go":      p.after("This is `main.go`"),
		"main_test.go": p.after("This is `main_test.go`"),
	})
	building := p.after("t.Error(reason)\n\t}\n}\n```")
	requireFormatted(t, directory)
	for _, way := range []struct {
		name        string
		environment []string
	}{
		{"with cgo", []string{"CGO_ENABLED=1"}},
		{"without", []string{"CGO_ENABLED=0", "LABKIT_LIBRARY=" + root(t) + "/target/lib/liblabkit.so.0"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			check(t, os.RemoveAll(filepath.Join(directory, "shop")))
			shell(building, way.environment...)
			takeAnOrder(t, p, directory, way.environment)
		})
	}
}

// takeAnOrder does what the page does in three terminals, on free ports.
func takeAnOrder(t *testing.T, p *page, directory string, environment []string) {
	for _, line := range []string{"labkit-tracker serve --insecure-no-auth --definitions config/user_experience_slis", "\n./shop\n",
		"curl -d items=3 http://127.0.0.1:8080/\ncurl http://127.0.0.1:8480/metrics/sli"} {
		if !strings.Contains(p.text, line) {
			t.Errorf("the page does not say %q", line)
		}
	}
	tr := track(t, filepath.Join(directory, "config/user_experience_slis"))
	address := freeAddress(t)
	shop := exec.Command("./shop")
	shop.Dir, shop.Env = directory, append(append(os.Environ(), environment...), "LABKIT_ENDPOINT="+tr.url, "ADDRESS="+address)
	var log bytes.Buffer
	shop.Stderr = &log
	check(t, shop.Start())
	t.Cleanup(func() { _ = shop.Process.Kill() })
	var answer *http.Response
	tr.until("the shop is open", func() (isOpen bool) {
		var err error
		answer, err = http.PostForm("http://"+address+"/", url.Values{"items": {"3"}})
		return err == nil
	})
	check(t, answer.Body.Close())
	tr.await(1)
	if n := tr.counted("labkit_user_experience_outcome_total",
		`user_experience_id="create_order"`, `outcome="success"`); n != 1 {
		t.Errorf("%d successes", n)
	}
	check(t, shop.Process.Signal(syscall.SIGTERM))
	if err := shop.Wait(); err != nil || log.Len() > 0 {
		t.Errorf("the shop: %v: %s", err, &log)
	}
}

func requireFormatted(t *testing.T, directory string) {
	t.Helper()
	if list := run(t, directory, os.Environ(), "gofmt", "-l", "."); list != "" {
		t.Errorf("not formatted: %s", list)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
