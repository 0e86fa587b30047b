package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// quality is the page of rules and time.
type quality struct {
	asked
	Days  []time.Time // of the table, the oldest first
	Rules []ruleOverTime
	Next  string

	Reports  []reportHead // the newest
	Waiting  int64        // rows in quarantine
	Alerts   int          // that are open
	Groups   []definition
	Filtered bool
}

// ruleOverTime is a rule's row of the table.
type ruleOverTime struct {
	ruleHead
	Cells []cell
}

// Newest is what its newest evaluation came to; "": there was none.
func (r ruleOverTime) Newest() string {
	if r.Last == nil {
		return ""
	}
	return r.Last.Status
}

// Paged tells whether there are rules on other pages too.
func (q quality) Paged() bool { return q.Next != "" || q.Get("page_token") != "" }

// Broken is how many rules of the page were broken when they were last evaluated.
func (q quality) Broken() (n int) {
	for _, rule := range q.Rules {
		if newest := rule.Newest(); newest == "fail" || newest == "error" {
			n++
		}
	}
	return n
}

// Spans are how many days the table can show.
func (q quality) Spans() []string { return []string{"7", "14", "31", "92"} }

// ruleFilters are the members of the address that narrow the list of rules; each is one of GET /rules.
var ruleFilters = []string{"group", "feature", "kind", "owner", "enabled"}

func (w *Web) quality(r *http.Request) (any, error) {
	ctx := r.Context()
	q := quality{asked: asked{r.URL.Query()}}
	q.Filtered = slices.ContainsFunc(ruleFilters, func(name string) bool { return q.Get(name) != "" })
	var rules struct {
		Rules []ruleHead `json:"rules"`
		Next  string     `json:"next_page_token"`
	}
	if err := w.api.get(ctx, "/rules", narrowed(q.Asked, ruleFilters, perPage), &rules); err != nil {
		return nil, err
	}
	q.Next = nextPage("/admin/quality", q.Asked, append([]string{"days"}, ruleFilters...), rules.Next)
	names := make([]string, len(rules.Rules))
	for i := range rules.Rules {
		names[i] = rules.Rules[i].Name
		if err := w.lastInto(ctx, &rules.Rules[i], ""); err != nil {
			return nil, err
		}
	}
	days, err := w.daysOf(r, names, q.Get("days"))
	if err != nil {
		return nil, err
	}
	q.Days = days.all()
	for _, rule := range rules.Rules {
		q.Rules = append(q.Rules, days.row(rule, q.Days))
	}
	var reports struct {
		Reports []reportHead `json:"reports"`
	}
	var waiting quarantineCounts
	var groups struct {
		Groups []definition `json:"groups"`
	}
	for _, one := range []struct {
		path  string
		query url.Values
		into  any
	}{
		{"/reports", narrowed(q.Asked, []string{"group"}, "10"), &reports}, {"/quarantine/counts", nil, &waiting}, {"/groups", url.Values{"limit": {"1000"}}, &groups},
	} {
		one.query.Del("page_token") // which is of the rules
		if err := w.api.get(ctx, one.path, one.query, one.into); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	q.Reports, q.Waiting, q.Groups = reports.Reports, waiting.waiting(), groups.Groups
	open, err := w.openAlerts(r)
	q.Alerts = len(open)
	return q, err
}

// ruleDays is the answer of GET /reports/days.
type ruleDays struct {
	First string `json:"first"`
	Last  string `json:"last"`
	Rules []struct {
		Rule string `json:"rule"`
		Days []struct {
			Day     string `json:"day"`
			Status  string `json:"status"`
			Results int64  `json:"results"`
			Report  int64  `json:"report_id"`
		} `json:"days"`
	} `json:"rules"`
}

// daysOf is what rules came to day by day. Of no rules it is nothing.
func (w *Web) daysOf(r *http.Request, names []string, days string) (*ruleDays, error) {
	found := &ruleDays{}
	if len(names) == 0 {
		return found, nil
	}
	query := url.Values{"rules": {strings.Join(names, ",")}}
	if days != "" {
		query.Set("days", days)
	}
	return found, w.api.get(r.Context(), "/reports/days", query, found)
}

// all are the days from the first to the last.
func (d *ruleDays) all() (days []time.Time) {
	first, err := time.Parse(time.DateOnly, d.First)
	if err != nil {
		return nil // there are no rules
	}
	for day := first; ; day = day.AddDate(0, 0, 1) {
		days = append(days, day)
		if text := day.Format(time.DateOnly); text >= d.Last {
			return days
		}
	}
}

// row is a rule's row of a table of days.
func (d *ruleDays) row(rule ruleHead, days []time.Time) ruleOverTime {
	row := ruleOverTime{ruleHead: rule}
	at := map[string]cell{}
	for _, of := range d.Rules {
		if of.Rule != rule.Name {
			continue
		}
		for _, day := range of.Days {
			at[day.Day] = cell{day.Status, fmt.Sprintf("%s, %s: %s, the worst of %s", rule.Name, day.Day, day.Status, plural(day.Results, "result")), fmt.Sprintf("/admin/reports/%d", day.Report)}
		}
	}
	for _, day := range days {
		text := day.Format(time.DateOnly)
		c, judged := at[text]
		if !judged {
			c.Title = fmt.Sprintf("%s, %s: not evaluated", rule.Name, text)
		}
		row.Cells = append(row.Cells, c)
	}
	return row
}
