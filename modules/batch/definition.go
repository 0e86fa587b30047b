package batch

import (
	"encoding/json"

	"featurestore/modules/registry"
)

// document is a pipeline as the registry keeps it, each member as it was written.
type document struct {
	Description string          `json:"description,omitempty"`
	Owner       string          `json:"owner,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Source      sourceDocument  `json:"source"`
	Target      string          `json:"target"`
	Tick        tickDocument    `json:"tick"`
	TickZone    string          `json:"tick_zone,omitempty"`
	Engine      string          `json:"engine,omitempty"`
	Aggregate   []aggregate     `json:"aggregate,omitempty"`
	SQL         string          `json:"sql,omitempty"`
	Schedule    json.RawMessage `json:"schedule,omitempty"` // package timetable reads it
	After       []string        `json:"after,omitempty"`
	Limits      limits          `json:"limits"`
	MinRows     *float64        `json:"min_rows_ratio,omitempty"`
}

// sourceDocument has exactly one of Group, Connection and Files.
type sourceDocument struct {
	Group string `json:"group,omitempty"`

	Connection string `json:"connection,omitempty"`
	Table      string `json:"table,omitempty"` // or schema.table
	Query      string `json:"query,omitempty"`

	Files string `json:"files,omitempty"`
	Root  string `json:"root,omitempty"`

	Columns   []columnDocument  `json:"columns,omitempty"`
	EventTime string            `json:"event_time,omitempty"`
	TimeZone  string            `json:"time_zone,omitempty"`
	Entity    map[string]string `json:"entity,omitempty"`
}

type columnDocument struct {
	Name      string `json:"name"`
	ValueType string `json:"value_type"`
	Column    string `json:"column,omitempty"` // as it is called there, if that is another name
}

// tickDocument is a word, or {"cron": "0 2 * * *"}.
type tickDocument struct {
	word string
	cron string
}

func (t tickDocument) MarshalJSON() ([]byte, error) {
	if t.cron == "" {
		return json.Marshal(t.word)
	}
	return json.Marshal(map[string]string{"cron": t.cron})
}

func (t *tickDocument) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, &t.word)
	}
	var of struct{ Cron string }
	err := json.Unmarshal(raw, &of)
	t.cron = of.Cron
	return err
}

// cycle is what package tick calls it.
func (t tickDocument) cycle() string {
	if t.cron != "" {
		return t.cron
	}
	return t.word
}

// aggregate is one declared feature, or, without Feature and Empty, a part of a ratio.
type aggregate struct {
	Feature     string     `json:"feature,omitempty"`
	Function    string     `json:"function"`
	Of          string     `json:"of,omitempty"`
	Window      string     `json:"window,omitempty"`
	Where       string     `json:"where,omitempty"`
	Empty       string     `json:"empty,omitempty"`
	N           *int       `json:"n,omitempty"`
	Decimals    *int       `json:"decimals,omitempty"`
	Numerator   *aggregate `json:"numerator,omitempty"`
	Denominator *aggregate `json:"denominator,omitempty"`
}

type limits struct {
	Memory  string `json:"memory,omitempty"`
	Timeout string `json:"timeout,omitempty"`
}

// documentOf reads what the registry keeps.
func documentOf(members registry.Members) (*document, error) {
	d := &document{}
	whole, err := json.Marshal(map[string]json.RawMessage(members))
	if err == nil {
		err = json.Unmarshal(whole, d)
	}
	return d, err
}
