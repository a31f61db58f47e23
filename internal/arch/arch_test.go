package arch

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rtmptool/rtmptool/"

// allowed lists what each package may import of this module. A package that is
// not listed fails the test, so that a new one is thought about.
var allowed = map[string][]string{
	"main":                         {"cmd"},
	"cmd":                          {"internal/auth", "internal/bench", "internal/monitor", "internal/recfile", "internal/record", "internal/reload", "internal/report", "internal/retention", "internal/server", "internal/status"},
	"internal/arch":                {},
	"internal/auth":                {},
	"internal/bench":               {"pkg/flv", "pkg/media", "pkg/rtmp"},
	"internal/certtest":            {},
	"internal/disk":                {},
	"internal/e2e":                 {},
	"internal/live":                {"pkg/media"},
	"internal/monitor":             {"internal/status"},
	"internal/peers":               {},
	"internal/record":              {"internal/disk", "internal/live", "pkg/bmff", "pkg/flv", "pkg/container", "pkg/media"},
	"internal/recfile":             {"internal/disk", "pkg/bmff", "pkg/flv", "pkg/container", "pkg/media"},
	"internal/recfile/recfiletest": {"pkg/amf", "pkg/bmff", "pkg/flv", "pkg/media"},
	"internal/reload":              {},
	"internal/report":              {"internal/recfile", "pkg/codec", "pkg/container", "pkg/media"},
	"internal/server":              {"internal/live", "internal/record", "pkg/amf", "pkg/flv", "pkg/media", "pkg/rtmp"},
	"internal/retention":           {"internal/recfile"},
	"internal/status":              {"internal/disk", "internal/record", "internal/server", "pkg/media"},
	"pkg/amf":                      {},
	"pkg/bmff":                     {"pkg/codec", "pkg/container", "pkg/media"},
	"pkg/codec":                    {"pkg/media"},
	"pkg/container":                {"pkg/media"},
	"pkg/container/powercut":       {},
	"pkg/flv":                      {"pkg/amf", "pkg/codec", "pkg/container", "pkg/media"},
	"pkg/media":                    {},
	"pkg/rtmp":                     {"pkg/amf"},
}

// owners are the packages that alone import a library.
var owners = map[string]string{
	"github.com/abema/go-mp4": "pkg/bmff",
	"github.com/prometheus/":  "internal/monitor",
	"github.com/spf13/":       "cmd",
}

type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Imports,GoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func (p listed) short() string {
	if p.Name == "main" {
		return "main"
	}
	return strings.TrimPrefix(p.ImportPath, module)
}

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range packages(t) {
		name := p.short()
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not listed: decide what it may import", name)
		}
		for _, imp := range p.Imports {
			own, ok := strings.CutPrefix(imp, module)
			if ok && !slices.Contains(may, own) {
				t.Errorf("%s must not import %s", name, own)
			}
			if isPkg(name) && strings.HasPrefix(imp, "github.com/rs/zerolog") {
				t.Errorf("%s must not import %s", name, imp)
			}
			for library, only := range owners {
				if strings.HasPrefix(imp, library) && name != only {
					t.Errorf("%s must not import %s: only %s does", name, imp, only)
				}
			}
		}
	}
}

func isPkg(name string) bool { return strings.HasPrefix(name, "pkg/") }

// pkg/ is grammar: no goroutine, no clock, no network, no init, nothing mutable
// at package level but tables.
func TestPkgIsGrammar(t *testing.T) {
	banned := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"net":  {"Dial", "DialTimeout", "Listen"},
	}
	for _, p := range packages(t) {
		if !isPkg(p.short()) {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%v: starts a goroutine", fset.Position(n.Pos()))
				case *ast.FuncDecl:
					if n.Recv == nil && n.Name.Name == "init" {
						t.Errorf("%v: has an init function", fset.Position(n.Pos()))
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && slices.Contains(banned[x.Name], n.Sel.Name) {
						t.Errorf("%v: uses %s.%s", fset.Position(n.Pos()), x.Name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// The document names five functions that a message goes through, each with its file, and others.
// They exist. That those five run in this order is shown in internal/server.
func TestArchitectureNamesFunctions(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	const name = "`((?:pkg|internal)/[a-z/]+)\\.(?:\\(\\*?([A-Za-z]+)\\)\\.)?([A-Za-z]+)`"
	for _, n := range regexp.MustCompile(name).FindAllStringSubmatch(string(text), -1) {
		if !declared(t, n[1], "*.go", n[2], n[3]) {
			t.Errorf("docs/ARCHITECTURE.md names %s, which does not exist", n[0])
		}
	}
	_, life, _ := strings.Cut(string(text), "\n## The life of a message\n")
	life, _, _ = strings.Cut(life, "\n## ")
	steps := regexp.MustCompile("(?m)^[0-9]\\. "+name+" \\(([a-z_]+\\.go)\\)").FindAllStringSubmatch(life, -1)
	if len(steps) != 5 {
		t.Fatalf("docs/ARCHITECTURE.md names %d functions of a message's life, want 5", len(steps))
	}
	for _, n := range steps {
		if !declared(t, n[1], n[4], n[2], n[3]) {
			t.Errorf("docs/ARCHITECTURE.md: %s is not in %s", n[0], n[4])
		}
	}
}

// declared tells whether a package has a function in files whose names match.
func declared(t *testing.T, dir, names, receiver, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, names))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name && receiverOf(f) == receiver {
				return true
			}
		}
	}
	return false
}

func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
