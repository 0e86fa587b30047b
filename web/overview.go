package web

import (
	"fmt"
	"net/http"
	"net/url"
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

type overview struct {
	Features, Groups, EntityTypes, Services int
	Days                                    []time.Time // the last one is today
	Health                                  []health
	Running, Failed                         []runHead
	Alerts                                  []alertHead
}

// health is a group's row of the heat map.
type health struct {
	Group string
	Cells []cell
}

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
	o := overview{}
	var features struct {
		Total int `json:"total"`
	}
	var groups struct {
		Groups []definition `json:"groups"`
	}
	var services struct {
		Services []definition `json:"services"`
	}
	var types struct {
		EntityTypes []definition `json:"entity_types"`
	}
	var reports struct {
		Reports []reportHead `json:"reports"`
	}
	today := w.clock().UTC().Truncate(24 * time.Hour)
	since := today.AddDate(0, 0, 1-days)
	for _, one := range []struct {
		path  string
		query url.Values
		into  any
	}{
		{"/features", url.Values{"limit": {"1"}}, &features}, {"/groups", url.Values{"limit": {"1000"}}, &groups}, {"/services", url.Values{"limit": {"1000"}}, &services},
		{"/entity-types", url.Values{"limit": {"1000"}}, &types}, {"/reports", url.Values{"limit": {"1000"}, "since": {since.Format(time.RFC3339)}}, &reports},
	} {
		if err := w.api.get(r.Context(), one.path, one.query, one.into); err != nil {
			return nil, err
		}
	}
	o.Features, o.Groups, o.EntityTypes, o.Services = features.Total, len(groups.Groups), len(types.EntityTypes), len(services.Services)
	for day := since; !day.After(today); day = day.AddDate(0, 0, 1) {
		o.Days = append(o.Days, day)
	}
	o.Health = heat(groups.Groups, reports.Reports, o.Days)
	var err error
	if o.Running, err = w.runsIn(r, "running", 10); err != nil {
		return nil, err
	}
	if o.Failed, err = w.runsIn(r, "failed", 5); err != nil {
		return nil, err
	}
	if o.Alerts, err = w.openAlerts(r); err != nil {
		return nil, err
	}
	return o, nil
}

// ranks order statuses from the least to the worst.
var ranks = map[string]int{"skipped": 1, "pass": 2, "warn": 3, "error": 4, "fail": 5}

// heat is, for each group and day, the worst that was said of it.
func heat(groups []definition, reports []reportHead, days []time.Time) []health {
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
				c = cell{report.Status, fmt.Sprintf("%s, %s: %s", group.Name, day.Format(time.DateOnly), report.Status), fmt.Sprintf("/admin/groups/%s#quality", url.PathEscape(group.Name))}
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
