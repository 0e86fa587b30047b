package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

type system struct {
	asked
	Version    versionAnswer
	Ready      string
	Process    process
	Stores     []storePart
	Copies     []copyState // in the order in which their groups were registered
	Migrations migrations
	Erasures   []erasure
	Next       string // the address of later erasures; "": there are none
}

type versionAnswer struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
}

// process is how this process is set.
type process struct {
	Environment string    `json:"environment"`
	Roles       []string  `json:"roles"`
	ReadOnly    bool      `json:"read_only"`
	Settings    []setting `json:"settings"`
}

type setting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Differs bool   `json:"differs"`
}

// Changed are the settings that are not the defaults.
func (p process) Changed() []setting {
	return slices.DeleteFunc(slices.Clone(p.Settings), func(s setting) bool { return !s.Differs })
}

// value is a setting's, as text.
func (p process) value(key string) string {
	for _, s := range p.Settings {
		if s.Key == key {
			return strings.Trim(s.Value, `"`)
		}
	}
	return ""
}

// storePart is a store with its engine, where that is, what it takes, and why it does not work, if so.
type storePart struct {
	Name, Holds, Engine, Where, Why string
	Takes                           *storeState // nil: that is not known
}

// State is its state in a word.
func (s storePart) State() string {
	if s.Why != "" {
		return "failed"
	}
	return "ok"
}

// Class is the style of it.
func (s storePart) Class() string { return stateClass(s.State()) }

// migrations are how far the tables of definitions and runs have been brought.
type migrations struct {
	Engine     string `json:"engine"`
	Level      int    `json:"level"`
	Migrations []struct {
		Module  string    `json:"module"`
		Version int64     `json:"version"`
		At      time.Time `json:"at"`
	} `json:"migrations"`
}

// erasure is an entity that was erased; nothing that names it is left.
type erasure struct {
	EntityType string    `json:"entity_type"`
	ErasedAt   time.Time `json:"erased_at"`
	CutOff     time.Time `json:"cut_off"`
	Done       bool      `json:"done"`
	Run        int64     `json:"run_id"`
	Rows       int64     `json:"rows"`
}

// State is how far it has come.
func (e erasure) State() string {
	if e.Done {
		return "done"
	}
	return "running"
}

// Class is the style of it.
func (e erasure) Class() string { return stateClass(e.State()) }

func (w *Web) system(r *http.Request) (any, error) {
	ctx, s := r.Context(), system{asked: asked{r.URL.Query()}}
	for _, one := range []struct {
		path string
		into any
	}{{"/version", &s.Version}, {"/settings", &s.Process}, {"/migrations", &s.Migrations}} {
		if err := w.api.get(ctx, one.path, nil, one.into); err != nil {
			return nil, err
		}
	}
	problems, err := w.readiness(r, &s)
	if err != nil {
		return nil, err
	}
	s.Stores = partsOf(s.Process, problems)
	if err := w.sizesInto(r, s.Stores); err != nil {
		return nil, err
	}
	if s.Copies, err = listOf[copyState](ctx, w.api, "/materialize", "groups", nil); ignoreDown(err) != nil {
		return nil, err
	}
	var erasures struct {
		Erasures []erasure `json:"erasures"`
		Next     string    `json:"next_page_token"`
	}
	if err := w.api.get(ctx, "/erasures", narrowed(s.Asked, nil, perPage), &erasures); err != nil {
		return nil, err
	}
	s.Erasures, s.Next = erasures.Erasures, nextPage("/admin/system", s.Asked, nil, erasures.Next)
	return s, nil
}

// readiness asks which parts of the process do not work, and why: by their names.
func (w *Web) readiness(r *http.Request, s *system) (map[string]string, error) {
	var ready struct {
		Status   string            `json:"status"`
		Problems map[string]string `json:"problems"`
	}
	err := w.api.get(r.Context(), "/readyz", nil, &ready)
	var p *problem
	if errors.As(err, &p) {
		s.Ready = "not ready"
		return map[string]string{"offline store": p.Detail, "online store": p.Detail}, nil
	}
	s.Ready = ready.Status
	return ready.Problems, err
}

// sizesInto adds what the stores take.
func (w *Web) sizesInto(r *http.Request, parts []storePart) error {
	found, err := w.stores(r.Context())
	for i := range parts {
		for j := range found {
			if parts[i].Name == found[j].Store+" store" && found[j].Bytes > 0 {
				parts[i].Takes = &found[j]
			}
		}
	}
	return err
}

// partsOf are the three stores, each where the settings say it is.
func partsOf(p process, problems map[string]string) []storePart {
	servers := map[string]string{"postgres": "PostgreSQL", "redis": "Redis", "sqlite": "SQLite"}
	var all []storePart
	for _, one := range []struct{ name, holds, key string }{
		{"registry", "definitions, runs, reports", "engines.registry"}, {"offline store", "the history of all values", "engines.offline"}, {"online store", "the newest values by entity", "engines.online"},
	} {
		engine := p.value(one.key)
		part := storePart{Name: one.name, Holds: one.holds, Engine: servers[engine], Why: problems[one.name]}
		switch engine {
		case "postgres":
			part.Where = p.value("postgres.url")
		case "redis":
			part.Where = p.value("redis.url")
		default:
			part.Where = p.value("data")
		}
		all = append(all, part)
	}
	return all
}
