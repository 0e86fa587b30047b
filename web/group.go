package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// groupHead is what pages show of a group.
type groupHead struct {
	definition
	Kind          string        `json:"kind"`
	TTL           *string       `json:"ttl"`
	Retention     *string       `json:"retention"`
	SchemaVersion int           `json:"schema_version"`
	IDColumn      *string       `json:"id_column"`
	Features      []featureHead `json:"features"`
	Health        string        `json:"-"` // what rules say of it
}

// HealthClass is the style of what rules say of it.
func (g groupHead) HealthClass() string { return stateClass(g.Health) }

type group struct {
	groupHead
	Newest   newest
	Size     *groupSize // nil: it cannot be told
	Copy     *copyState // nil: it cannot be told, or there is none
	Rules    []ruleHead
	Reports  []reportHead
	Runs     []runHead
	Profiles []profileHead
	Lineage  lineage
	Loads    []snippet // how to bring rows
}

func (g group) pageTitle() string { return g.Name }

// HasCopy tells whether groups of its kind have an online copy.
func (g group) HasCopy() bool { return g.Kind == "features" }

func (w *Web) group(r *http.Request) (any, error) {
	ctx, name := r.Context(), r.PathValue("name")
	g := group{}
	if err := w.api.get(ctx, path("groups", name), nil, &g.groupHead); err != nil {
		return nil, err
	}
	if err := w.storedInto(ctx, &g); err != nil {
		return nil, err
	}
	var err error
	if g.Rules, err = w.rulesOf(ctx, name, ""); err != nil {
		return nil, err
	}
	var reports struct {
		Reports []reportHead `json:"reports"`
	}
	var runs struct {
		Runs []runHead `json:"runs"`
	}
	var profiles struct {
		Profiles []profileHead `json:"profiles"`
	}
	for _, one := range []struct {
		path  string
		query url.Values
		into  any
	}{
		{"/reports", url.Values{"group": {name}, "limit": {"10"}}, &reports}, {"/runs", url.Values{"subject": {name}, "limit": {"20"}}, &runs},
		{"/profiles", url.Values{"group": {name}, "limit": {"10"}}, &profiles},
	} {
		if err := w.api.get(ctx, one.path, one.query, one.into); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	g.Reports, g.Runs, g.Profiles = reports.Reports, runs.Runs, profiles.Profiles
	g.Lineage, _, err = w.lineageOf(ctx, "group", name)
	g.Loads = g.loads(w.storeAt(r))
	return g, err
}

// storedInto adds what the stores say of it.
func (w *Web) storedInto(ctx context.Context, g *group) error {
	judged, err := w.judgements(ctx)
	if err != nil {
		return err
	}
	g.Health = judged.ofGroup(g.Name)
	fresh, err := w.freshness(ctx, g.Name)
	if err != nil {
		return err
	}
	g.Newest = fresh[g.Name]
	if g.Size, err = w.sizeOf(ctx, g.Name); err != nil || !g.HasCopy() {
		return err
	}
	g.Copy, err = w.copyOf(ctx, g.Name)
	return err
}

// loads are how to bring rows from where people work, and how to take them out.
func (g group) loads(host string) []snippet {
	at := host + path("rows", g.Name)
	return []snippet{
		{"Load a file with curl", fmt.Sprintf("curl --data-binary @%s.csv '%s'", g.Name, at)},
		{"Load a data frame", fmt.Sprintf("import requests\n\nrequests.post(%q, data=frame.to_parquet()).json()", at)},
		{"Read it as a data frame", fmt.Sprintf("import pandas\n\npandas.read_parquet(%q)", at+"?format=parquet")},
	}
}
