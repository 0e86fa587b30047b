package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// definition is what pages show of one.
type definition struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Owner       string    `json:"owner"`
	Tags        []string  `json:"tags"`
	Version     int       `json:"version"`
	EntityType  string    `json:"entity_type"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// runHead is what pages show of a run.
type runHead struct {
	ID         int64      `json:"id"`
	Kind       string     `json:"kind"`
	Subject    string     `json:"subject"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	CreatedAt  time.Time  `json:"created_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Rows       *int64     `json:"rows"`
	Schedule   string     `json:"schedule"`
	Tick       *time.Time `json:"tick"`
}

// About is the page of what it is about; "": there is none.
func (r runHead) About() string {
	switch {
	case r.Subject == "":
		return ""
	case r.Kind == "pipeline":
		return linkTo("pipeline", r.Subject)
	case r.Kind == "erasure":
		return "/admin/system"
	}
	return linkTo("group", r.Subject)
}

// Class is the style of its state.
func (r runHead) Class() string { return stateClass(r.State) }

// Took is how long it worked, "" while it does.
func (r runHead) Took() string {
	if r.StartedAt == nil || r.FinishedAt == nil {
		return ""
	}
	return seconds(r.FinishedAt.Sub(*r.StartedAt).Seconds())
}

// days is how many the heat map of the overview shows.
const days = 14

// shownGroups is how many groups the overview shows where it is not asked for all: those with the most trouble.
const shownGroups = 25

type overview struct {
	Features, Groups, EntityTypes, Services int
	Days                                    []time.Time // the last one is today
	Health                                  []health
	Hidden                                  int // groups that Health leaves out
	Running, Failed                         []runHead
	Alerts                                  []alertHead
	Stores                                  []storeState
	Lag                                     lag
	Host, Store                             string // where the page was asked for, and the address of the calls of the role store
}

// lag is how far the online copies are behind.
type lag struct {
	Copies     int    // that there are
	Complete   int    // that answer
	Behind     int    // to which something has come that they do not hold
	Longest    string // how long the first of it has waited; "": nothing waits
	LongestFor string // in which group
}

// lagOf sums copies up.
func lagOf(copies map[string]copyState) lag {
	sum, longest := lag{Copies: len(copies)}, 0.0
	for name, c := range copies {
		if c.State == "complete" {
			sum.Complete++
		}
		if c.RowsBehind == 0 {
			continue
		}
		sum.Behind++
		if c.Lag >= longest {
			longest, sum.Longest, sum.LongestFor = c.Lag, seconds(c.Lag), name
		}
	}
	return sum
}

// health is a group's row of the heat map.
type health struct {
	Group  string
	Now    string // what rules say of it
	Newest newest
	Cells  []cell
}

// Class is the style of what rules say of it.
func (h health) Class() string { return stateClass(h.Now) }

// trouble orders groups: the more, the worse.
func (h health) trouble() int {
	worst := 10 * severity[h.Now]
	if h.Newest.State == "late" {
		worst += 5
	}
	for _, c := range h.Cells {
		if ranks[c.State] > 2 {
			worst++
		}
	}
	return worst
}

// shownAlerts is how many alerts the overview lists.
const shownAlerts = 25

// Listed are the newest of the alerts.
func (o overview) Listed() []alertHead { return o.Alerts[:min(len(o.Alerts), shownAlerts)] }

// Empty tells whether nothing is registered yet.
func (o overview) Empty() bool { return o.Features == 0 }

// reportHead is what pages show of a report.
type reportHead struct {
	ID        int64     `json:"id"`
	Group     string    `json:"group"`
	Way       string    `json:"way"`
	Status    string    `json:"status"`
	Rows      int64     `json:"rows"`
	StartedAt time.Time `json:"started_at"`
}

// Class is the style of its status.
func (r reportHead) Class() string { return stateClass(r.Status) }

func (w *Web) overview(r *http.Request) (any, error) {
	ctx := r.Context()
	o := overview{Host: r.Host, Store: w.storeAt(r)}
	var features struct {
		Total int `json:"total"`
	}
	if err := w.api.get(ctx, "/features", url.Values{"limit": {"1"}}, &features); err != nil {
		return nil, err
	}
	o.Features = features.Total
	groups, err := listOf[groupHead](ctx, w.api, "/groups", "groups", nil)
	if err != nil {
		return nil, err
	}
	for member, n := range map[string]*int{"services": &o.Services, "entity_types": &o.EntityTypes} {
		all, err := listOf[definition](ctx, w.api, "/"+strings.ReplaceAll(member, "_", "-"), member, nil)
		if err != nil {
			return nil, err
		}
		*n = len(all)
	}
	o.Groups = len(groups)
	if err := w.healthInto(r, &o, groups); err != nil {
		return nil, err
	}
	if o.Running, err = w.runsIn(r, "running", 10); err != nil {
		return nil, err
	}
	if o.Failed, err = w.runsIn(r, "failed", 5); err != nil {
		return nil, err
	}
	if o.Alerts, err = w.openAlerts(r); err != nil {
		return nil, err
	}
	if o.Stores, err = w.stores(ctx); err != nil {
		return nil, err
	}
	copies, err := w.copies(ctx)
	o.Lag = lagOf(copies)
	return o, err
}

// healthInto adds the heat map.
func (w *Web) healthInto(r *http.Request, o *overview, groups []groupHead) error {
	ctx := r.Context()
	today := w.clock().UTC().Truncate(24 * time.Hour)
	since := today.AddDate(0, 0, 1-days)
	for day := since; !day.After(today); day = day.AddDate(0, 0, 1) {
		o.Days = append(o.Days, day)
	}
	reports, err := listOf[reportHead](ctx, w.api, "/reports", "reports", url.Values{"since": {since.Format(time.RFC3339)}})
	if ignoreMissing(err) != nil {
		return err
	}
	fresh, err := w.freshness(ctx, "")
	if err != nil {
		return err
	}
	judged, err := w.judgements(ctx)
	if err != nil {
		return err
	}
	rows := heat(groups, reports, o.Days)
	for i := range rows {
		rows[i].Newest, rows[i].Now = fresh[rows[i].Group], judged.ofGroup(rows[i].Group)
	}
	if r.URL.Query().Get("groups") != "all" && len(rows) > shownGroups {
		slices.SortStableFunc(rows, func(a, b health) int { return b.trouble() - a.trouble() })
		rows, o.Hidden = rows[:shownGroups], len(rows)-shownGroups
	}
	o.Health = rows
	return nil
}

// ranks order statuses from the least to the worst.
var ranks = map[string]int{"skipped": 1, "pass": 2, "warn": 3, "error": 4, "fail": 5}

// heat is, for each group and day, the worst that was said of it.
func heat(groups []groupHead, reports []reportHead, days []time.Time) []health {
	type place struct {
		group string
		day   time.Time
	}
	worst := map[place]reportHead{}
	for _, report := range reports {
		at := place{report.Group, report.StartedAt.UTC().Truncate(24 * time.Hour)}
		if found, ok := worst[at]; !ok || ranks[report.Status] > ranks[found.Status] {
			worst[at] = report
		}
	}
	rows := make([]health, len(groups))
	for i, group := range groups {
		rows[i].Group = group.Name
		for _, day := range days {
			c := cell{Title: fmt.Sprintf("%s, %s: nothing was judged", group.Name, day.Format(time.DateOnly))}
			if report, ok := worst[place{group.Name, day}]; ok {
				c = cell{report.Status, fmt.Sprintf("%s, %s: %s", group.Name, day.Format(time.DateOnly), report.Status), fmt.Sprintf("/admin/reports/%d", report.ID)}
			}
			rows[i].Cells = append(rows[i].Cells, c)
		}
	}
	return rows
}

// runsIn are the newest runs in a state.
func (w *Web) runsIn(r *http.Request, state string, n int) ([]runHead, error) {
	var found struct {
		Runs []runHead `json:"runs"`
	}
	err := w.api.get(r.Context(), "/runs", url.Values{"state": {state}, "limit": {fmt.Sprint(n)}}, &found)
	return found.Runs, err
}
