package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is what anything here may take; nothing waits for it to pass.
const patience = 30 * time.Second

// definitions are of an experience that people wait for, and of one that is
// soon overdue.
var definitions = map[string]string{
	"create_order.yml": "description: A customer places an order\nfeature_category: checkout\n" +
		"urgency: sync_slow\n",
	"visit.yml": "description: A customer looks around\nfeature_category: checkout\n" +
		"urgency: custom\napdex_threshold_s: 0.5\nttl_s: 1\n",
}

// form is a way to link the library.
type form struct {
	name      string
	arguments []string
	build     []string // environment
}

var forms = []form{
	{"static", nil, []string{"CGO_ENABLED=1"}},
	{"shared", []string{"-tags", "labkit_shared"}, []string{"CGO_ENABLED=1"}},
	{"without cgo", nil, []string{"CGO_ENABLED=0"}},
}

// root is the checkout.
func root(t *testing.T) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../..")
}

// environment is the tests' own, and the library that make lib has built.
func environment(t *testing.T, more ...string) []string {
	t.Helper()
	library := filepath.Join(root(t), "target/lib/liblabkit.so.0")
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("%v: make lib builds it", err)
	}
	return append(append(os.Environ(), "LABKIT_LIBRARY="+library), more...)
}

// program builds a command of this module.
func (f form) program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	arguments := append([]string{"build", "-o", path}, f.arguments...)
	run(t, ".", environment(t, f.build...), "go", append(arguments, "./"+name)...)
	return path
}

// run waits for a command, and gives what it printed.
func run(t *testing.T, directory string, environment []string, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Dir, command.Env = directory, environment
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(arguments, " "), err, output, &complaint)
	}
	return string(output)
}

// event is a line of the tracker's log.
type event struct {
	Event            string `json:"event"`
	UserExperienceID string `json:"user_experience_id"`
	CorrelationID    string `json:"correlation_id"`
	Outcome          string `json:"outcome"`
	Reason           string `json:"reason"`
}

func (e event) isEnd() bool {
	return e.Event == "success" || e.Event == "failure" || e.Event == "discarded"
}

// tracker is the real one, on a free port.
type tracker struct {
	t       *testing.T
	url     string
	command *exec.Cmd
	events  chan event // closed when it has ended
	seen    []event
}

// track starts a tracker for the definitions of a directory.
func track(t *testing.T, definitions string) *tracker {
	t.Helper()
	binary := filepath.Join(root(t), "target/release/labkit-tracker")
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: make tracker builds it", err)
	}
	port := filepath.Join(t.TempDir(), "port")
	command := exec.Command(binary, "serve", "--listen", "127.0.0.1:0",
		"--port-file", port, "--insecure-no-auth", "--store", "memory", "--definitions", definitions)
	command.Stderr = t.Output()
	log, err := command.StdoutPipe()
	check(t, err)
	check(t, command.Start())
	tr := &tracker{t: t, command: command, events: make(chan event)}
	go tr.read(log)
	t.Cleanup(func() { tr.end() })
	var address []byte
	tr.until("it tells its port", func() bool {
		address, err = os.ReadFile(port)
		return err == nil && bytes.HasSuffix(address, []byte("\n"))
	})
	tr.url = "http://" + strings.TrimSpace(string(address))
	return tr
}

func (tr *tracker) read(log io.Reader) {
	defer close(tr.events)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			tr.t.Errorf("%v: %s", err, lines.Bytes())
		}
		tr.events <- e
	}
}

// until asks until the answer is yes.
func (tr *tracker) until(what string, isSo func() bool) {
	tr.t.Helper()
	deadline := time.Now().Add(patience)
	for !isSo() {
		if time.Now().After(deadline) {
			tr.t.Fatalf("the tracker: never came so far that %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// await reads the log until so many experiences have ended.
func (tr *tracker) await(ends int) {
	tr.t.Helper()
	late := time.After(patience)
	for ended := 0; ended < ends; {
		select {
		case e, open := <-tr.events:
			if !open {
				tr.t.Fatalf("the tracker ended after %d of %d ends", ended, ends)
			}
			tr.seen = append(tr.seen, e)
			if e.isEnd() {
				ended++
			}
		case <-late:
			tr.t.Fatalf("only %d of %d experiences ended", ended, ends)
		}
	}
}

// end stops the tracker, and gives its whole log. A second call does nothing.
func (tr *tracker) end() []event {
	if tr.command.ProcessState != nil {
		return tr.seen
	}
	_ = tr.command.Process.Signal(syscall.SIGTERM)
	for e := range tr.events {
		tr.seen = append(tr.seen, e)
	}
	if err := tr.command.Wait(); err != nil {
		tr.t.Errorf("the tracker: %v", err)
	}
	return tr.seen
}

// counted sums a metric over the series that have all these labels, written as
// `name="value"`.
func (tr *tracker) counted(metric string, labels ...string) int {
	tr.t.Helper()
	answer, err := http.Get(tr.url + "/metrics/sli")
	check(tr.t, err)
	defer answer.Body.Close()
	sum := 0.0
series:
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, metric+"{") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue series
			}
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		check(tr.t, err)
		sum += value
	}
	return int(sum)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes files of a directory.
func write(t *testing.T, directory string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(directory, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return directory
}
