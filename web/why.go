package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// why says why one value of an entity is what it is.
type why struct {
	entity   `json:"-"`
	Name     string `json:"-"` // of the feature, as it is asked for
	Call     string `json:"-"` // that answers the same
	Then     string `json:"-"` // the time as of which the look-up was that leads here; "": now
	Asked    string `json:"asked"`
	Verdict  string `json:"verdict"`
	Resolved struct {
		Feature   string `json:"feature"`
		How       string `json:"how"`
		Version   int    `json:"version"`
		ValueType string `json:"value_type"`
		TTL       string `json:"ttl"`
	} `json:"resolved"`
	Offline *seen `json:"offline"`
	Online  *seen `json:"online"`
	Copy    struct {
		Reachable  bool  `json:"reachable"`
		Complete   bool  `json:"complete"`
		RowsBehind int64 `json:"rows_behind"`
	} `json:"online_copy"`
	LastRun *runHead `json:"last_run"`
}

// seen is an observation that one of the stores holds.
type seen struct {
	Status    string          `json:"status"`
	Value     json.RawMessage `json:"value"`
	EventTime time.Time       `json:"event_time"`
	TTLEnds   *time.Time      `json:"ttl_ends"`
}

// Class is the style of its status.
func (s seen) Class() string { return stateClass(s.Status) }

func (y why) pageTitle() string { return "Why " + y.Name + " is so" }

// asksFor finds the entity that a page about one is asked for.
func (w *Web) asksFor(r *http.Request) (entity, error) {
	given := r.URL.Query()
	var of typed
	if err := w.api.get(r.Context(), path("entity-types", given.Get("entity_type")), nil, &of); err != nil {
		return entity{}, err
	}
	e := entityOf(of, given)
	if i := slices.IndexFunc(e.Keys, func(k joinKey) bool { return k.Value == "" }); i >= 0 {
		return e, &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "The address does not say which entity: its " + e.Keys[i].Name + " is missing."}
	}
	return e, nil
}

func (w *Web) why(r *http.Request) (any, error) {
	e, err := w.asksFor(r)
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("feature")
	found := why{entity: e, Name: name, Call: e.at("explain", name), Then: r.URL.Query().Get("at")}
	err = w.api.get(r.Context(), found.Call, url.Values{}, &found)
	return found, err
}
