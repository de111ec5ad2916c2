package labkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Without cgo nobody but this test compares a call with the header: it reads
// the sources, so that it runs in every build.

// passes says which C types a method of frame adds to a call.
var passes = map[string][]string{
	"client": {"labkit_client"}, "clientOut": {"labkit_client *"},
	"uint64": {"uint64_t"}, "int64": {"int64_t"}, "int32": {"int32_t"},
	"uint32": {"uint32_t"}, "uint32Out": {"uint32_t *"},
	"text": {"const char *", "size_t"}, "blob": {"const char *", "size_t"},
	"room": {"char *", "size_t"}, "sizeOut": {"size_t *"},
	"experience": {"struct labkit_experience *"}, "statsOut": {"struct labkit_stats *"},
}

// answers says which C type a method of frame takes for the result.
var answers = map[string]string{
	"call": "enum labkit_status", "truth": "bool", "number": "uint32_t", "sentence": "const char *",
}

// signature is a function's result and the types of its parameters.
type signature struct {
	result     string
	parameters []string
}

func TestEveryCallWithoutCgoMatchesTheHeader(t *testing.T) {
	header := headerSignatures(t)
	declared, called := symbolsAndCalls(t)
	for variable, name := range declared {
		want, known := header[name]
		got, made := called[variable]
		switch {
		case !known:
			t.Errorf("the header has no %s", name)
		case !made:
			t.Errorf("%s is never called", name)
		case got.result != want.result || !slices.Equal(got.parameters, want.parameters):
			t.Errorf("%s is called as %v, and the header says %v", name, got, want)
		}
		delete(header, name)
	}
	delete(header, "labkit_version") // its text is the library's own affair
	for name := range header {
		t.Errorf("%s is not bound", name)
	}
}

func TestTheVersionThatIsAskedForIsTheHeaders(t *testing.T) {
	needed := regexp.MustCompile(`neededABI = (\d+)`).FindStringSubmatch(source(t, "library_purego.go"))
	theirs := headerMatches(t, `(?m)^#define LABKIT_ABI_VERSION (\d+)$`)
	if needed == nil || needed[1] != theirs[0][1] {
		t.Errorf("%v, and the header says %s", needed, theirs[0][1])
	}
}

// symbolsAndCalls reads which function each variable stands for, and how it is
// called.
func symbolsAndCalls(t *testing.T) (declared map[string]string, called map[string]signature) {
	declared, called = map[string]string{}, map[string]signature{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) += declare\("(\w+)"\)$`).
		FindAllStringSubmatch(source(t, "library_purego.go"), -1) {
		declared[m[1]] = m[2]
	}
	for _, name := range []string{"library_purego.go", "native_purego.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			variable, ok := call.Args[0].(*ast.Ident)
			if !ok || declared[variable.Name] == "" {
				return true
			}
			methods := chain(call)
			last := len(methods) - 1
			s := signature{result: answers[methods[last]]}
			for _, method := range methods[1:last] {
				s.parameters = append(s.parameters, passes[method]...)
			}
			called[variable.Name] = s
			return true
		})
	}
	return declared, called
}

// chain gives the names of a().b().c(), in this order.
func chain(call *ast.CallExpr) []string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return []string{f.Name}
	case *ast.SelectorExpr:
		return append(chain(f.X.(*ast.CallExpr)), f.Sel.Name)
	}
	return nil
}

func headerSignatures(t *testing.T) map[string]signature {
	found := map[string]signature{}
	name := regexp.MustCompile(`\w+$`)
	for _, m := range headerMatches(t, `(?m)^(enum \w+|const char \*|uint32_t|bool) ?(\*?labkit_\w+)\(([^)]*)\);`) {
		s := signature{result: m[1]}
		for parameter := range strings.SplitSeq(m[3], ",") {
			parameter = strings.TrimSpace(parameter)
			if parameter == "void" {
				continue
			}
			kind := strings.TrimSpace(name.ReplaceAllString(parameter, ""))
			// An experience that is only read is passed like any other.
			s.parameters = append(s.parameters, strings.Replace(kind, "const struct", "struct", 1))
		}
		found[m[2]] = s
	}
	return found
}
