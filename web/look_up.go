package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
)

type lookUp struct {
	asked
	entity
	EntityTypes []typed
	Some        []entity  // that can be looked up, where none is named
	At          time.Time // as of when; zero: now
	Wrong       *problem
	Found       bool
	Values      []lookedUp
	Past        []past
	Observed    []observation
	Older       string // the address of the observations before these; "": there are none
	Calls       []snippet
}

func (l lookUp) pageStatus() int {
	if l.Wrong != nil {
		return l.Wrong.Status
	}
	return http.StatusOK
}

// AtField is what the field for the time holds.
func (l lookUp) AtField() string {
	if l.At.IsZero() {
		return l.Get("at")
	}
	return l.At.UTC().Format("2006-01-02T15:04:05.999999")
}

// AtType is the kind of that field: browsers' own fields for times know milliseconds at most.
func (l lookUp) AtType() string {
	if text := l.AtField(); text != "" && (l.At.IsZero() || l.At.Nanosecond()%int(time.Millisecond) != 0) {
		return "text"
	}
	return "datetime-local"
}

// lookedUp is a feature of the entity.
type lookedUp struct {
	Name    string
	Feature featureHead
	Status  string
	Value   json.RawMessage
	Time    time.Time // of its newest observation; zero: there is none
	Age     string
	Why     string // the page that says why it is so
}

// Class is the style of its status.
func (v lookedUp) Class() string { return stateClass(v.Status) }

type observation struct {
	Group      string                     `json:"group"`
	EventTime  time.Time                  `json:"event_time"`
	IngestTime time.Time                  `json:"ingest_time"`
	Features   map[string]json.RawMessage `json:"features"`
	Link       string                     `json:"-"` // the look-up as of then
}

// lookUp shows all values of an entity, as they are or as they were.
func (w *Web) lookUp(r *http.Request) (any, error) {
	ctx := r.Context()
	l := lookUp{asked: asked{r.URL.Query()}}
	var err error
	if l.EntityTypes, err = w.entityTypes(ctx); err != nil || len(l.EntityTypes) == 0 {
		return l, err
	}
	of := l.EntityTypes[0]
	if name := l.Get("entity_type"); name != "" {
		i := slices.IndexFunc(l.EntityTypes, func(t typed) bool { return t.Name == name })
		if i < 0 {
			return nil, w.api.get(ctx, path("entity-types", name), nil, &of)
		}
		of = l.EntityTypes[i]
	}
	l.entity = entityOf(of, l.Asked)
	if !l.Named() {
		l.Some, err = w.someEntities(ctx, of, of.Groups, 8)
		return l, err
	}
	var p *problem
	if err := w.lookUpInto(ctx, &l); errors.As(err, &p) {
		l.Wrong = p
		return l, nil
	} else if err != nil {
		return nil, err
	}
	l.Found = true
	l.Calls = l.calls(w.storeAt(r))
	return l, nil
}

// lookUpInto adds the values and the history.
func (w *Web) lookUpInto(ctx context.Context, l *lookUp) error {
	var answer struct {
		At         time.Time                  `json:"at"`
		Features   map[string]json.RawMessage `json:"features"`
		Statuses   map[string]string          `json:"statuses"`
		EventTimes map[string]*time.Time      `json:"event_times"`
	}
	at, query := l.at("get"), url.Values{}
	if when := l.Get("at"); when != "" {
		at, query = l.at("history"), url.Values{"at": {when}, "time_zone": {"UTC"}}
	}
	if err := w.api.get(ctx, at, query, &answer); err != nil {
		return err
	}
	l.At = answer.At
	heads, err := w.featuresOf(ctx, l.Type)
	if err != nil {
		return err
	}
	now := l.At
	if now.IsZero() {
		now = w.clock()
	}
	for name, value := range answer.Features {
		v := lookedUp{Name: name, Feature: heads[name], Value: value, Status: answer.Statuses[name]}
		if when := answer.EventTimes[name]; when != nil {
			v.Time, v.Age = *when, span(max(0, now.Sub(*when)))
		}
		why := l.query()
		why.Set("feature", name)
		if !l.At.IsZero() {
			why.Set("at", l.Get("at"))
		}
		v.Why = "/admin/look-up/why?" + why.Encode()
		l.Values = append(l.Values, v)
	}
	slices.SortFunc(l.Values, func(a, b lookedUp) int {
		return cmp.Or(cmp.Compare(a.Feature.Group, b.Feature.Group), cmp.Compare(a.Name, b.Name))
	})
	return w.historyInto(ctx, l, heads)
}

// featuresOf are the features of an entity type, by the names under which values of it are answered: name, and group:name.
func (w *Web) featuresOf(ctx context.Context, entityType string) (map[string]featureHead, error) {
	heads := map[string]featureHead{}
	query := url.Values{"entity_type": {entityType}, "limit": {"1000"}}
	for {
		var page struct {
			Features []featureHead `json:"features"`
			Next     string        `json:"next_page_token"`
		}
		if err := w.api.get(ctx, "/features", query, &page); err != nil {
			return nil, err
		}
		for _, f := range page.Features {
			heads[f.Reference] = f
			if other, taken := heads[f.Name]; !taken || len(other.ShortNames) == 0 {
				heads[f.Name] = f
			}
		}
		if page.Next == "" {
			return heads, nil
		}
		query.Set("page_token", page.Next)
	}
}

// calls are how a program asks for the same.
func (l *lookUp) calls(host string) []snippet {
	at := host + l.at("get")
	if !l.At.IsZero() {
		at = host + l.at("history") + "?at=" + url.QueryEscape(l.At.UTC().Format(time.RFC3339Nano))
	}
	return []snippet{
		{"The values", "curl '" + at + "'"},
		{"The history", "curl '" + host + l.at("history") + "?limit=" + observationsShown + "'"},
	}
}
