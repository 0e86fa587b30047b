package web

import (
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
	p.Points, p.Alerts = history.Points, alerts.Alerts
	p.Next = nextPage("/admin"+at, p.Asked, nil, history.Next)
	return p, nil
}

// switchRule switches a rule on or off.
func switchRule() telling {
	return asking("Switch", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/rules", nil, map[string]any{"name": form.Get("name"), "enabled": form.Get("to") == "on"}
	}, func(_ struct{}, form url.Values) outcome {
		if form.Get("to") == "on" {
			return outcome{Done: fmt.Sprintf("The rule %s is evaluated again.", form.Get("name"))}
		}
		return outcome{Done: fmt.Sprintf("The rule %s is switched off: its alerts end, and nothing is evaluated until it is switched on.", form.Get("name"))}
	})
}

// judgeRule evaluates one rule now.
func judgeRule() telling {
	return asking("Evaluate", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/validate", nil, map[string]any{"group": form.Get("group"), "rules": []string{form.Get("name")}}
	}, func(answer report, _ url.Values) outcome {
		said := outcome{Done: fmt.Sprintf("Report %d: %s.", answer.ID, answer.Status), Class: stateClass(answer.Status)}
		for _, result := range answer.Results {
			said.Lines = append(said.Lines, result.Sentence)
		}
		return said
	})
}
