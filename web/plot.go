package web

import (
	"encoding/json"
	"time"
)

// series is what the part "plot" shows: named values over time, as a drawing where scripts run, and as a table for everybody.
type series struct {
	Title string
	Unit  string // of the values; "": none
	Times []time.Time
	Lines []line
	Steps bool // a value holds until the next one
	Small bool // drawn low, for many beside each other
}

// line is one of the values of a series.
type line struct {
	Name   string
	Values []*float64 // one for each time; nil: there is none
}

// JSON is what plot.js draws: times in seconds since 1970, of which the first is the earliest.
func (s series) JSON() (string, error) {
	type drawn struct {
		Name   string     `json:"name"`
		Values []*float64 `json:"values"`
	}
	plot := struct {
		Unit  string    `json:"unit"`
		Times []float64 `json:"times"`
		Lines []drawn   `json:"lines"`
		Steps bool      `json:"steps"`
		Small bool      `json:"small"`
	}{Unit: s.Unit, Times: make([]float64, len(s.Times)), Lines: make([]drawn, len(s.Lines)), Steps: s.Steps, Small: s.Small}
	for i, t := range s.Times {
		plot.Times[i] = float64(t.UnixMicro()) / 1e6
	}
	for i, l := range s.Lines {
		plot.Lines[i] = drawn(l)
	}
	text, err := json.Marshal(plot)
	return string(text), err
}

// plotRow is a line of the table.
type plotRow struct {
	Time   time.Time
	Values []string
}

// Rows are the same as a table, the latest first.
func (s series) Rows() []plotRow {
	rows := make([]plotRow, len(s.Times))
	for i, t := range s.Times {
		row := plotRow{Time: t}
		for _, l := range s.Lines {
			shown := "–"
			if v := l.Values[i]; v != nil {
				shown = count(*v)
			}
			row.Values = append(row.Values, shown)
		}
		rows[len(rows)-1-i] = row
	}
	return rows
}
