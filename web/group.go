package web

import (
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
	Features      []featureHead `json:"features"`
}

type group struct {
	groupHead
	Rules    []ruleHead
	Reports  []reportHead
	Runs     []runHead
	Profiles []profileHead
	Lineage  lineage
}

func (g group) pageTitle() string { return g.Name }

func (w *Web) group(r *http.Request) (any, error) {
	ctx, name := r.Context(), r.PathValue("name")
	g := group{}
	if err := w.api.get(ctx, path("groups", name), nil, &g.groupHead); err != nil {
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
		{"/reports", url.Values{"group": {name}, "limit": {"10"}}, &reports}, {"/runs", url.Values{"subject": {name}, "limit": {"10"}}, &runs},
		{"/profiles", url.Values{"group": {name}, "limit": {"10"}}, &profiles},
	} {
		if err := w.api.get(ctx, one.path, one.query, one.into); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	g.Reports, g.Runs, g.Profiles = reports.Reports, runs.Runs, profiles.Profiles
	g.Lineage, _, err = w.lineageOf(ctx, "group", name)
	return g, err
}

type entityType struct {
	definition
	JoinKeys []struct {
		Name      string `json:"name"`
		ValueType string `json:"value_type"`
	} `json:"join_keys"`
	Groups []string `json:"groups"`
	Last   lineage
}

func (e entityType) pageTitle() string { return e.Name }

func (w *Web) entityType(r *http.Request) (any, error) {
	e := entityType{}
	err := w.api.get(r.Context(), path("entity-types", r.PathValue("name")), nil, &e)
	return e, err
}
