package web

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"strings"
	"sync"
)

//go:embed templates
var templates embed.FS

// parsed gives the template of a page, which is parsed when it is first asked for: a server that nobody looks at starts without, and keeps none.
type parsed func() (*template.Template, error)

// ExecuteTemplate is that of the template.
func (p parsed) ExecuteTemplate(out io.Writer, name string, data any) error {
	page, err := p()
	if err != nil {
		return err
	}
	return page.ExecuteTemplate(out, name, data)
}

// parse makes a template of each page: the layout, the parts that pages share, and the page's own file, which defines "content".
func (w *Web) parse() (map[string]parsed, error) {
	base := template.New("").Funcs(template.FuncMap{
		"asset": w.assets.path, "ago": ago, "exact": exact, "count": count, "percent": percent, "seconds": seconds, "joined": joined, "value": showJSON, "text": textOf,
		"histogram": histogram, "lineage": lineageDrawing, "link": linkTo, "symbol": symbol, "class": stateClass, "allowed": w.allowed, "refusal": w.refusal, "dict": dict, "lower": strings.ToLower,
		"moment": moment,
		"size":   size, "short": shorten, "timeline": timeline, "facts": factsOf, "nested": nested,
	})
	base, err := base.ParseFS(templates, "templates/layout.html", "templates/parts*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the layout of the admin page: %w", err)
	}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]parsed{}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name == "layout" || strings.HasPrefix(name, "parts") {
			continue
		}
		pages[name] = sync.OnceValues(func() (*template.Template, error) {
			own, err := base.Clone()
			if err == nil {
				own, err = own.ParseFS(templates, file)
			}
			if err != nil {
				return nil, fmt.Errorf("parse the page %s: %w", name, err)
			}
			return own, nil
		})
	}
	for _, p := range pagesInOrder() {
		if pages[p.name] == nil {
			return nil, fmt.Errorf("the page %s has no template", p.name)
		}
	}
	return pages, nil
}

// dict makes a map of names and values in turn, for parts that take several.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes names and values in turn")
	}
	made := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}
