package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// rule is the page of one rule.
type rule struct {
	asked
	ruleHead
	Params       json.RawMessage `json:"params"`
	Where        string          `json:"where"`
	NullPolicy   string          `json:"null_policy"`
	Tolerance    json.RawMessage `json:"tolerance"`
	Window       string          `json:"window"`
	For          *int            `json:"for"`
	ResolveAfter *int            `json:"resolve_after"`
	Owner        string          `json:"owner"`
	Description  string          `json:"description"`
	Version      int             `json:"version"`
	UpdatedAt    time.Time       `json:"updated_at"`

	Doc    string // what its kind means
	Points []historyPoint
	Series *series // nil: there is nothing to draw
	Next   string
	Alerts []alertHead // that are open
}

func (p rule) pageTitle() string { return p.Name }

// Has tells whether a member of it that is shown as JSON says anything.
func (p rule) Has(member json.RawMessage) bool { return len(member) > 0 && string(member) != "null" }

// historyPoint is a result of a rule.
type historyPoint struct {
	Time       time.Time       `json:"time"`
	Feature    string          `json:"feature"`
	Status     string          `json:"status"`
	Reason     string          `json:"reason"`
	Observed   json.RawMessage `json:"observed"`
	Considered int64           `json:"considered"`
	Bad        int64           `json:"bad"`
	BadRate    *float64        `json:"bad_rate"`
	LookedAt   string          `json:"looked_at"`
	Report     int64           `json:"report_id"`
}

// observed is what was measured, if that is a number.
func (p historyPoint) observed() *float64 {
	var measured *float64
	if len(p.Observed) == 0 || json.Unmarshal(p.Observed, &measured) != nil {
		return nil
	}
	return measured
}

func (w *Web) rule(r *http.Request) (any, error) {
	ctx := r.Context()
	p := rule{asked: asked{r.URL.Query()}}
	at := path("rules", r.PathValue("name"))
	if err := w.api.get(ctx, at, nil, &p); err != nil {
		return nil, err
	}
	var kinds struct {
		Kinds []struct {
			Name string `json:"name"`
			Doc  string `json:"doc"`
		} `json:"kinds"`
	}
	var history struct {
		Points []historyPoint `json:"points"`
		Next   string         `json:"next_page_token"`
	}
	var alerts struct {
		Alerts []alertHead `json:"alerts"`
	}
	for _, one := range []struct {
		path  string
		query url.Values
		into  any
	}{
		{"/rules/kinds", nil, &kinds}, {at + "/history", narrowed(p.Asked, nil, perPage), &history}, {"/alerts", url.Values{"rule": {p.Name}, "open": {"true"}, "limit": {"100"}}, &alerts},
	} {
		if err := w.api.get(ctx, one.path, one.query, one.into); err != nil {
			return nil, err
		}
	}
	if i := slices.IndexFunc(kinds.Kinds, func(k struct {
		Name string `json:"name"`
		Doc  string `json:"doc"`
	}) bool {
		return k.Name == p.Kind
	}); i >= 0 {
		p.Doc = kinds.Kinds[i].Doc
	}
	p.Points, p.Alerts, p.Series = history.Points, alerts.Alerts, foundOverTime(history.Points)
	p.Next = nextPage("/admin"+at, p.Asked, nil, history.Next)
	return p, nil
}

// foundOverTime draws results of a rule, feature by feature: what was observed where that is a number, else the share of bad rows. Of less than two
// times there is nothing to draw.
func foundOverTime(points []historyPoint) *series {
	drawn := &series{Title: "Bad rows", Unit: "%"}
	for _, p := range points {
		if p.observed() != nil {
			drawn.Title, drawn.Unit = "Observed", ""
		}
		drawn.Times = append(drawn.Times, p.Time)
	}
	slices.SortFunc(drawn.Times, time.Time.Compare)
	drawn.Times = slices.CompactFunc(drawn.Times, time.Time.Equal)
	if len(drawn.Times) < 2 {
		return nil
	}
	for _, p := range points {
		of := slices.IndexFunc(drawn.Lines, func(l line) bool { return l.Name == cmp.Or(p.Feature, "all") })
		if of < 0 {
			of = len(drawn.Lines)
			drawn.Lines = append(drawn.Lines, line{cmp.Or(p.Feature, "all"), make([]*float64, len(drawn.Times))})
		}
		at, _ := slices.BinarySearchFunc(drawn.Times, p.Time, time.Time.Compare)
		switch {
		case drawn.Unit == "":
			drawn.Lines[of].Values[at] = p.observed()
		case p.BadRate != nil:
			percent := 100 * *p.BadRate
			drawn.Lines[of].Values[at] = &percent
		}
	}
	return drawn
}

// switchRule switches a rule on or off.
func switchRule() action {
	made := asking("Switch", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/rules", nil, map[string]any{"name": form.Get("name"), "enabled": form.Get("to") == "on"}
	}, func(_ struct{}, form url.Values) outcome {
		if form.Get("to") == "on" {
			return outcome{Done: fmt.Sprintf("The rule %s is evaluated again.", form.Get("name"))}
		}
		return outcome{Done: fmt.Sprintf("The rule %s is switched off: it is not evaluated any more, and its alerts are resolved before long.", form.Get("name"))}
	})
	made.match = "*" // one that is deleted is not made anew
	return made
}

// judgeRule evaluates one rule now.
func judgeRule() action {
	return ending("Evaluate", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/validate", nil, map[string]any{"group": form.Get("group"), "rules": []string{form.Get("name")}}
	}, func(result struct {
		Report int64  `json:"report_id"`
		Status string `json:"status"`
		Rows   int64  `json:"rows"`
	}, form url.Values) outcome {
		return outcome{Done: fmt.Sprintf("%s: %s, of %s, in report %d.", form.Get("name"), result.Status, plural(result.Rows, "row"), result.Report), Class: stateClass(result.Status)}
	})
}
