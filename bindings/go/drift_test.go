package labkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

const headerFile = "../../include/labkit.h"

func TestEveryCallMatchesTheHeader(t *testing.T) {
	functions := headerFunctions(t)
	file, err := parser.ParseFile(token.NewFileSet(), "native.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		target, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasPrefix(target.Sel.Name, "labkit_") {
			return true
		}
		name := target.Sel.Name
		parameters, known := functions[name]
		switch {
		case name == "labkit_client": // a conversion
		case !known:
			t.Errorf("the header has no %s", name)
		case parameters != len(call.Args):
			t.Errorf("%s takes %d parameters, not %d", name, parameters, len(call.Args))
		default:
			called[name] = true
		}
		return true
	})
	// The version text is the library's own affair.
	for name := range functions {
		if !called[name] && name != "labkit_version" {
			t.Errorf("%s is not bound", name)
		}
	}
	preamble := file.Comments[1].Text() + file.Comments[2].Text()
	for name := range called {
		if name == "labkit_abi_version" || name == "labkit_status_message" {
			continue // take no pointers
		}
		for _, pragma := range []string{"noescape", "nocallback"} {
			if !strings.Contains(preamble, "#cgo "+pragma+" "+name+"\n") {
				t.Errorf("%s is not marked %s", name, pragma)
			}
		}
	}
}

func TestStatusesMatchTheHeader(t *testing.T) {
	want := map[Status]string{}
	for _, m := range headerMatches(t, `(?m)^\s+LABKIT_STATUS_(\w+) = (\d+),`) {
		want[Status(number(t, m[2]))] = strings.ToLower(m[1])
	}
	if len(want) == 0 || !maps.Equal(want, statusNames) {
		t.Errorf("the header says %v", want)
	}
	for s := range statusNames {
		if s.Error() == "" || s.Error() == Status(1).Error() {
			t.Errorf("the library has no text for %v", s)
		}
	}
}

func TestConstantsMatchTheHeader(t *testing.T) {
	ours := map[string]int{
		"EXIT_NORMAL": int(exitNormal), "EXIT_ERROR": int(exitError), "EXIT_NON_LOCAL": int(exitNonLocal),
		"EXIT_CANCELLED": int(exitCancelled), "EXIT_ABANDONED": int(exitAbandoned), "EXIT_RESTARTED": int(exitRestarted),
		"OUTCOME_SUCCESS": int(OutcomeSuccess), "OUTCOME_ERROR": int(OutcomeError),
		"OUTCOME_HANDLED": int(OutcomeHandled), "OUTCOME_DISCARDED": int(OutcomeDiscarded),
	}
	theirs := map[string]int{}
	for _, m := range headerMatches(t, `(?m)^#define LABKIT_((?:EXIT|OUTCOME)_\w+) (\d+)$`) {
		theirs[m[1]] = number(t, m[2])
	}
	if !maps.Equal(ours, theirs) {
		t.Errorf("the header says %v", theirs)
	}
}

func TestStructsMatchTheHeader(t *testing.T) {
	if size := unsafe.Sizeof(rawExperience{}); size != 512 {
		t.Errorf("an experience has %d bytes", size)
	}
	body := headerMatches(t, `(?s)typedef struct labkit_stats \{(.*?)\n\} labkit_stats;`)[0][1]
	var theirs []string
	for _, m := range regexp.MustCompile(`(?m)^  (?:size_t|uint64_t) (\w+);`).FindAllStringSubmatch(body, -1) {
		theirs = append(theirs, strings.ReplaceAll(m[1], "_", ""))
	}
	ours := []string{"size"}
	for field := range reflect.TypeFor[Stats]().Fields() {
		ours = append(ours, strings.ToLower(field.Name))
	}
	if !slices.Equal(ours, theirs) {
		t.Errorf("the header says %v", theirs)
	}
}

// headerFunctions are the names, and how many parameters each takes.
func headerFunctions(t *testing.T) map[string]int {
	functions := map[string]int{}
	for _, m := range headerMatches(t, `(?m)^(?:enum \w+|const char \*|uint32_t|bool) ?\*?(labkit_\w+)\(([^)]*)\);`) {
		count := 0
		if m[2] != "void" {
			count = 1 + strings.Count(m[2], ",")
		}
		functions[m[1]] = count
	}
	if len(functions) < 20 {
		t.Fatalf("found only %v", functions)
	}
	return functions
}

func headerMatches(t *testing.T, pattern string) [][]string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(source(t, headerFile), -1)
	if found == nil {
		t.Fatalf("the header has nothing like %s", pattern)
	}
	return found
}

func source(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func number(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
