package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// alertHead is what pages show of an alert.
type alertHead struct {
	ID             int64      `json:"id"`
	Rule           string     `json:"rule"`
	Group          string     `json:"group"`
	Feature        string     `json:"feature"`
	About          string     `json:"class"` // data, drift or source
	Severity       string     `json:"severity"`
	State          string     `json:"state"`
	Observed       string     `json:"observed"`
	Expected       string     `json:"expected"`
	Sentence       string     `json:"sentence"`
	Owner          string     `json:"owner"`
	Run            int64      `json:"run"`
	Since          time.Time  `json:"since"`
	OpenedAt       time.Time  `json:"opened_at"`
	LastAt         time.Time  `json:"last_evaluation_at"`
	MutedBy        int64      `json:"muted_by"`
	Silence        int64      `json:"silence_id"`
	AcknowledgedBy string     `json:"acknowledged_by"`
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
	Note           string     `json:"note"`
	ToldAt         *time.Time `json:"told_at"`
	ToldTo         []string   `json:"told_to"`
	ResolvedAt     *time.Time `json:"resolved_at"`
	Resolution     string     `json:"resolution"`
}

// Class is the style of its state.
func (a alertHead) Class() string { return stateClass(a.State) }

// Open tells whether it can still be acknowledged or silenced.
func (a alertHead) Open() bool { return a.State != "resolved" }

type alertsPage struct {
	asked
	Alerts   []alertHead
	Silences map[int64]silence // that cover one of them
	Next     string
}

// States are all that alerts can be in.
func (p alertsPage) States() []string {
	return []string{"open", "firing", "acknowledged", "silenced", "resolved", "all"}
}

// State is the one that is asked for.
func (p alertsPage) State() string {
	if p.Get("id") != "" {
		return "all"
	}
	return cmp.Or(p.Get("state"), "open")
}

// Severities are all that alerts can have.
func (p alertsPage) Severities() []string { return []string{"error", "warn", "info"} }

// Filtered tells whether the list is narrowed.
func (p alertsPage) Filtered() bool {
	return len(fieldsOf(p.Asked, append([]string{"state"}, alertFilters...)...)) > 0
}

// openAlerts are all that are not resolved; none where this process does not know them.
func (w *Web) openAlerts(r *http.Request) ([]alertHead, error) {
	found, err := listOf[alertHead](r.Context(), w.api, "/alerts", "alerts", url.Values{"open": {"true"}})
	return found, ignoreMissing(err)
}

// alertFilters are the members of the address that narrow the list besides state; each is one of GET /alerts.
var alertFilters = []string{"group", "rule", "feature", "owner", "severity"}

// alerts are those that the address asks for: the one with its id, which messages lead to, or a list.
func (w *Web) alerts(r *http.Request) (any, error) {
	p := alertsPage{asked: asked{r.URL.Query()}, Silences: map[int64]silence{}}
	var err error
	if id := p.Get("id"); id != "" {
		p.Alerts = make([]alertHead, 1)
		err = w.api.get(r.Context(), path("alerts", id), nil, &p.Alerts[0])
	} else {
		p.Alerts, p.Next, err = w.listOfAlerts(r, p)
	}
	if err != nil {
		return nil, err
	}
	silences, _, err := w.silencesOf(r, url.Values{"active": {"true"}, "limit": {"1000"}})
	if err != nil {
		return nil, err
	}
	for _, s := range silences {
		p.Silences[s.ID] = s
	}
	return p, nil
}

// listOfAlerts is one page of the alerts that a page's filters let through, and where the next is.
func (w *Web) listOfAlerts(r *http.Request, p alertsPage) ([]alertHead, string, error) {
	var found struct {
		Alerts []alertHead `json:"alerts"`
		Next   string      `json:"next_page_token"`
	}
	query := narrowed(p.Asked, alertFilters, perPage)
	switch state := p.State(); state {
	case "open":
		query.Set("open", "true")
	case "all":
	default:
		query.Set("state", state)
	}
	err := w.api.get(r.Context(), "/alerts", query, &found)
	return found.Alerts, nextPage("/admin/alerts", p.Asked, append([]string{"state"}, alertFilters...), found.Next), err
}

// acknowledge says that somebody works on an alert.
func acknowledge() action {
	return asking("Acknowledge", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("alerts", form.Get("id"), "acknowledge"), nil, map[string]any{"author": form.Get("by"), "note": form.Get("note")}
	}, func(struct{}, url.Values) outcome {
		return outcome{Done: "Acknowledged: receivers are not reminded of it."}
	})
}

// resolve ends an alert by decision.
func resolve() action {
	return asking("Resolve", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("alerts", form.Get("id"), "resolve"), nil, map[string]any{"author": form.Get("by"), "reason": form.Get("note")}
	}, func(struct{}, url.Values) outcome {
		return outcome{Done: "Resolved. The next bad evaluation opens another alert."}
	})
}

// silence keeps alerts from being sent for a while.
type silence struct {
	ID        int64     `json:"id"`
	Author    string    `json:"author"`
	Reason    string    `json:"reason"`
	Until     time.Time `json:"until"`
	CreatedAt time.Time `json:"created_at"`
	Matcher   struct {
		Group   string `json:"group"`
		Rule    string `json:"rule"`
		Feature string `json:"feature"`
		Owner   string `json:"owner"`
	} `json:"matcher"`
}

// About is which alerts it covers.
func (s silence) About() []field {
	var about []field
	for _, f := range []field{{"group", s.Matcher.Group}, {"rule", s.Matcher.Rule}, {"feature", s.Matcher.Feature}, {"owner", s.Matcher.Owner}} {
		if f.Value != "" {
			about = append(about, f)
		}
	}
	return about
}

type silencesPage struct {
	asked
	Silences []silence
	Next     string
	Now      time.Time
}

// Lasts tells whether a silence of the page has not ended.
func (p silencesPage) Lasts(s silence) bool { return s.Until.After(p.Now) }

func (w *Web) silences(r *http.Request) (any, error) {
	p := silencesPage{asked: asked{r.URL.Query()}, Now: w.clock().UTC()}
	query := narrowed(p.Asked, nil, perPage)
	if p.Get("ended") == "" {
		query.Set("active", "true")
	}
	found, next, err := w.silencesOf(r, query)
	p.Silences, p.Next = found, nextPage("/admin/silences", p.Asked, []string{"ended"}, next)
	return p, err
}

func (w *Web) silencesOf(r *http.Request, query url.Values) ([]silence, string, error) {
	var found struct {
		Silences []silence `json:"silences"`
		Next     string    `json:"next_page_token"`
	}
	err := w.api.get(r.Context(), "/silences", query, &found)
	return found.Silences, found.Next, err
}

// silenceAction makes a silence, or with dry tells what it would cover.
func silenceAction(title string, dry bool) action {
	return asking(title, func(form url.Values) (string, string, url.Values, any) {
		matcher := map[string]string{}
		for _, f := range fieldsOf(form, "group", "rule", "feature", "owner") {
			matcher[f.Name] = f.Value
		}
		var query url.Values
		if dry {
			query = url.Values{"dry_run": {"true"}}
		}
		return http.MethodPost, "/silences", query, map[string]any{"matcher": matcher, "until": form.Get("for"), "author": form.Get("by"), "reason": form.Get("note")}
	}, func(a struct {
		ID     int64     `json:"id"`
		Until  time.Time `json:"until"`
		Covers []int64   `json:"covers"`
	}, _ url.Values) outcome {
		covers := plural(int64(len(a.Covers)), "open alert")
		if dry {
			return outcome{Done: fmt.Sprintf("It would cover %s, until %s. Nothing was changed.", covers, exact(a.Until))}
		}
		return outcome{Done: fmt.Sprintf("Silenced until %s. It covers %s.", exact(a.Until), covers),
			Next: []offer{{Action: "end-silence", Label: "Undo", Class: "secondary", Fields: []field{{"id", strconv.FormatInt(a.ID, 10)}}}}}
	})
}

// endSilence ends a silence now.
func endSilence() action {
	return asking("End the silence", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodDelete, path("silences", form.Get("id")), nil, nil
	}, func(struct{}, url.Values) outcome {
		return outcome{Done: "The silence has ended: what it covered and still fires is sent again."}
	})
}
