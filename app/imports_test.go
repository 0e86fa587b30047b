package app

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rank is the order of the modules: one may import those of a lower rank, and web all of them.
var rank = map[string]int{
	"runs": 0, "registry": 1, "validation": 2, "store": 3, "materialization": 4, "batch": 4, "scheduler": 5, "web": 6,
}

// engines are the folders below a module that hold one engine each of a seam.
var engines = []string{"sqlite", "postgres", "redis", "local", "spark"}

// common are the packages of app that every module may use.
var common = []string{"app/fault", "app/database", "app/httpapi"}

// source is a file as far as the rules look at it: the folder it stands in, what it imports, and the constructors it calls
// ("modules/registry.New"). Paths are relative to the module's root.
type source struct {
	folder  string
	test    bool
	imports []string
	calls   []string
}

// broken names the rules that a file breaks. Tests may use what only app may otherwise, and so may the folders named …test, which
// hold what tests share; these suites look at modules together, and may import to their right.
func broken(s source) []string {
	var found []string
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	from := moduleOf(s.folder)
	shared := slices.ContainsFunc(common, func(c string) bool { return s.folder == c || strings.HasPrefix(s.folder, c+"/") })
	root := s.folder == "." || s.folder == "app" || strings.HasPrefix(s.folder, "app/") && !shared
	command := strings.HasPrefix(s.folder, "scripts/")
	suite := slices.ContainsFunc(strings.Split(s.folder, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
	test := s.test || suite
	if from != "" {
		if _, known := rank[from]; !known {
			complain("module %s has no place in the order of modules", from)
		}
	}
	for _, imported := range s.imports {
		to := moduleOf(imported)
		engine := to != "" && slices.Contains(engines, path.Base(imported)) && path.Dir(imported) != "modules"
		switch {
		case strings.HasPrefix(imported, "github.com/labstack/echo") && s.folder != "app" && !strings.HasPrefix(s.folder, "app/httpapi") && !command:
			complain("echo stays in app and app/httpapi")
		case imported == "app" && !root && !command:
			complain("nothing but main imports app")
		case imported == "config" && !root && !command:
			complain("%s is handed its own Config, it does not import config", s.folder)
		case strings.HasPrefix(imported, "app/") && from != "" && !slices.Contains(common, imported) && !(test && strings.HasSuffix(imported, "test")):
			complain("%s is app's own", imported)
		case strings.HasPrefix(imported, "modules/store/storetest") && !test && !command:
			complain("storetest is for tests")
		case to == "" || root:
		case shared && !test && imported != "modules/registry/value":
			complain("%s knows no module", s.folder)
		case engine && imported != s.folder && !test && !command:
			complain("only app chooses an engine, such as %s", imported)
		case from != "" && from != to && rank[to] >= rank[from] && !suite && !(test && strings.HasPrefix(imported, "modules/store/storetest")):
			complain("%s is not to the left of %s", to, from)
		}
	}
	for _, call := range s.calls {
		if to := moduleOf(call); to != from && !root && !test && !command {
			complain("only app makes a module: %s", call)
		}
	}
	return found
}

// moduleOf is the module that a folder belongs to, "" for none.
func moduleOf(folder string) string {
	if folder == "web" || strings.HasPrefix(folder, "web/") {
		return "web"
	}
	rest, found := strings.CutPrefix(folder, "modules/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, ".")
	return name
}

func TestImportsKeepTheirDirection(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "data") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		files++
		s, err := parse(file)
		if err != nil {
			return err
		}
		for _, rule := range broken(s) {
			t.Errorf("%s: %s", strings.TrimPrefix(filepath.ToSlash(file), "../"), rule)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 50, "the walk found the project")
}

func parse(file string) (source, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	folder, err := filepath.Rel("..", filepath.Dir(file))
	if err != nil {
		return source{}, err
	}
	s := source{folder: filepath.ToSlash(folder), test: strings.HasSuffix(file, "_test.go")}
	modules := map[string]string{} // by the name they have in this file
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		imported = strings.TrimPrefix(imported, "featurestore/")
		if imported == "featurestore" {
			imported = "."
		}
		s.imports = append(s.imports, imported)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if path.Dir(imported) == "modules" {
			modules[name] = imported
		}
	}
	ast.Inspect(syntax, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == "New" {
			if name, ok := selector.X.(*ast.Ident); ok && modules[name.Name] != "" {
				s.calls = append(s.calls, modules[name.Name]+".New")
			}
		}
		return true
	})
	return s, nil
}

func TestImportRulesNoticeWhatBreaksThem(t *testing.T) {
	for _, c := range []struct {
		name   string
		file   source
		broken string // "" : fine
	}{
		{"to the left", source{folder: "modules/store", imports: []string{"modules/registry", "modules/runs"}}, ""},
		{"within a module", source{folder: "modules/store/packed", imports: []string{"modules/store"}}, ""},
		{"to the right", source{folder: "modules/registry", imports: []string{"modules/store"}}, "store is not to the left of registry"},
		{"to the right from below a module", source{folder: "modules/registry/value", imports: []string{"modules/store/packed"}}, "not to the left"},
		{"to the right in a test", source{folder: "modules/runs", test: true, imports: []string{"modules/registry"}}, "not to the left"},
		{"beside", source{folder: "modules/batch", imports: []string{"modules/materialization"}}, "not to the left"},
		{"web reads all", source{folder: "web", imports: []string{"modules/scheduler"}}, ""},
		{"web is read by none", source{folder: "modules/scheduler", imports: []string{"web"}}, "not to the left"},
		{"an unknown module", source{folder: "modules/billing"}, "no place in the order"},
		{"app takes everything", source{folder: "app", imports: []string{"modules/store/redis", "config", "modules/scheduler"}, calls: []string{"modules/store.New"}}, ""},
		{"an engine", source{folder: "modules/materialization", imports: []string{"modules/store/redis"}}, "only app chooses an engine"},
		{"an engine from its parent", source{folder: "modules/store", imports: []string{"modules/store/sqlite"}}, "only app chooses an engine"},
		{"an engine in a test", source{folder: "modules/materialization", test: true, imports: []string{"modules/store/redis"}}, ""},
		{"an engine in a command", source{folder: "scripts/bench", imports: []string{"modules/store/redis"}}, ""},
		{"a constructor", source{folder: "modules/store", imports: []string{"modules/registry"}, calls: []string{"modules/registry.New"}}, "only app makes a module"},
		{"a constructor in a test", source{folder: "modules/store", test: true, imports: []string{"modules/registry"}, calls: []string{"modules/registry.New"}}, ""},
		{"what is common", source{folder: "modules/store", imports: []string{"app/fault", "app/database", "app/httpapi"}}, ""},
		{"what is app's own", source{folder: "modules/store", imports: []string{"app/faults"}}, "app's own"},
		{"what tests share", source{folder: "modules/store", test: true, imports: []string{"app/httpapi/httpapitest"}}, ""},
		{"what tests share, elsewhere", source{folder: "modules/store", imports: []string{"app/httpapi/httpapitest"}}, "app's own"},
		{"app itself", source{folder: "modules/store", imports: []string{"app"}}, "nothing but main imports app"},
		{"main takes app", source{folder: ".", imports: []string{"app", "config"}}, ""},
		{"config in a module", source{folder: "modules/store", imports: []string{"config"}}, "does not import config"},
		{"a module in what is common", source{folder: "app/database", imports: []string{"modules/registry"}}, "knows no module"},
		{"values in what is common", source{folder: "app/httpapi", imports: []string{"modules/registry/value"}}, ""},
		{"echo in a module", source{folder: "modules/store", imports: []string{"github.com/labstack/echo/v4"}}, "echo stays"},
		{"echo in app", source{folder: "app/httpapi", imports: []string{"github.com/labstack/echo/v4"}}, ""},
		{"storetest in a module", source{folder: "modules/store/sqlite", imports: []string{"modules/store/storetest"}}, "storetest is for tests"},
		{"storetest in a test", source{folder: "modules/store/sqlite", test: true, imports: []string{"modules/store/storetest"}}, ""},
		{"storetest in a test to its left", source{folder: "modules/registry", test: true, imports: []string{"modules/store/storetest/servers"}}, ""},
		{"a suite looks at modules together", source{folder: "modules/store/storetest", imports: []string{"modules/materialization"}, calls: []string{"modules/materialization.New"}}, ""},
		{"echo in a command", source{folder: "scripts/benchmark", imports: []string{"github.com/labstack/echo/v4"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := strings.Join(broken(c.file), "; ")
			if c.broken == "" {
				require.Empty(t, found)
			} else {
				require.Contains(t, found, c.broken)
			}
		})
	}
}
