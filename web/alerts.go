package web

import (
	"net/http"
	"net/url"
	"time"
)

// alertHead is what pages show of an alert.
type alertHead struct {
	ID         int64     `json:"id"`
	Rule       string    `json:"rule"`
	Group      string    `json:"group"`
	Feature    string    `json:"feature"`
	Severity   string    `json:"severity"`
	State      string    `json:"state"`
	Sentence   string    `json:"sentence"`
	Owner      string    `json:"owner"`
	OpenedAt   time.Time `json:"opened_at"`
	Resolution string    `json:"resolution"`
	Note       string    `json:"note"`
}

// Class is the style of its state.
func (a alertHead) Class() string { return stateClass(a.State) }

// Open tells whether it can still be acknowledged or silenced.
func (a alertHead) Open() bool { return a.State != "resolved" }

type alertsPage struct {
	asked
	Alerts   []alertHead
	Silences []silence
}

type silence struct {
	ID      int64     `json:"id"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Until   time.Time `json:"until"`
	Matcher struct {
		Rule    string `json:"rule"`
		Group   string `json:"group"`
		Feature string `json:"feature"`
	} `json:"matcher"`
}

// openAlerts are those that are not resolved; none where this process does not know them.
func (w *Web) openAlerts(r *http.Request) ([]alertHead, error) {
	var found struct {
		Alerts []alertHead `json:"alerts"`
	}
	err := w.api.get(r.Context(), "/alerts", url.Values{"open": {"true"}, "limit": {"100"}}, &found)
	return found.Alerts, ignoreMissing(err)
}

func (w *Web) alerts(r *http.Request) (any, error) {
	p := alertsPage{asked: asked{r.URL.Query()}}
	var found struct {
		Alerts []alertHead `json:"alerts"`
	}
	query := url.Values{"limit": {"100"}}
	if p.Get("all") == "" {
		query.Set("open", "true")
	}
	if err := w.api.get(r.Context(), "/alerts", query, &found); err != nil {
		return nil, err
	}
	var silences struct {
		Silences []silence `json:"silences"`
	}
	if err := w.api.get(r.Context(), "/silences", nil, &silences); err != nil {
		return nil, err
	}
	p.Alerts, p.Silences = found.Alerts, silences.Silences
	return p, nil
}
