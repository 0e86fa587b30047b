package batch

import (
	"context"
	"encoding/json"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// PipelineAnswer is a pipeline as the API shows it.
type PipelineAnswer struct {
	Name         string            `json:"name"`
	Description  string            `json:"description"`
	Owner        string            `json:"owner"`
	Tags         []string          `json:"tags"`
	Source       json.RawMessage   `json:"source" doc:"Where events come from: {\"group\"}, {\"connection\", \"table\" or \"query\"} or {\"files\", \"root\"}; the latter two with columns, and event_time, time_zone and entity (join key to column) where they are called otherwise"`
	Target       string            `json:"target" doc:"The group of kind features whose features are computed"`
	Tick         json.RawMessage   `json:"tick" doc:"hourly, daily (00:00), month_end (00:00 of the next month's first day; also monthly) or {\"cron\": \"0 2 * * *\"}"`
	TickZone     string            `json:"tick_zone" doc:"On whose clock; empty: UTC. A time that clocks skip is at the end of the gap, one that they show twice is once"`
	Engine       string            `json:"engine" doc:"local, postgres or spark; empty: as batch.engine says"`
	Aggregate    []json.RawMessage `json:"aggregate" doc:"{feature, function, of, window, where, empty, n, decimals, numerator, denominator} for each feature. Functions: count, sum, avg, min, max, stddev, first, last, count_distinct, last_n, ratio, time_since_last. Windows: a duration such as 30d (720 hours), or lifetime. empty says what a window without events gives: nothing, null or zero"`
	SQL          string            `json:"sql" doc:"Instead of aggregate: one SELECT over events with :tick, which is run for each tick, or without, which is run once for the ticks of a range (:from, :to] and says in event_us or event_time which of them a row is of"`
	Schedule     json.RawMessage   `json:"schedule" doc:"When it is run: {cron or every, time_zone, jitter, deadline, retries, backoff, catch_up, paused}; null: when it is asked for"`
	After        []string          `json:"after" doc:"Pipelines that must have succeeded for a tick before"`
	Limits       json.RawMessage   `json:"limits" doc:"{memory, timeout} of one computation; null: as batch.memory and batch.timeout say"`
	MinRowsRatio *float64          `json:"min_rows_ratio" doc:"A tick that computes less than this share of the usual number of rows, the median of the ticks before it, is held back, as its source is probably not complete; 0: none; null: as batch.min_rows_ratio says. Where empty windows give null or zero an entity has a row at each tick since its first event, and so the number of rows does not fall: use empty: nothing, or a rule about the source"`
	Version      int               `json:"version" doc:"Of the definition; every accepted change makes the next"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
}

// pipelineAnswer shows a pipeline that the registry keeps.
func pipelineAnswer(_ *registry.Catalog, d *registry.Definition) PipelineAnswer {
	answer := PipelineAnswer{Tags: []string{}, Aggregate: []json.RawMessage{}, After: []string{}, Schedule: json.RawMessage("null"), Limits: json.RawMessage("null")}
	_ = json.Unmarshal(d.Document, &answer) // the registry wrote it, with members of these names
	answer.Name, answer.Version, answer.CreatedAt, answer.UpdatedAt = d.Name, d.Version, d.CreatedAt, d.UpdatedAt
	return answer
}

type listPipelinesInput struct {
	httpapi.Page
	Source string `query:"source" doc:"That read this group"`
	Target string `query:"target" doc:"That compute features of this group"`
	Owner  string `query:"owner"`
}

type listPipelinesOutput struct {
	Body struct {
		Pipelines     []PipelineAnswer `json:"pipelines" doc:"In the order in which they were registered"`
		NextPageToken string           `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

// list answers the pipelines of a registry.
func (d definitions) list(_ context.Context, in *listPipelinesInput) (*listPipelinesOutput, error) {
	catalog := d.registry.Catalog()
	for _, group := range []string{in.Source, in.Target} {
		if _, found := catalog.Group(group); group != "" && !found {
			return nil, catalog.UnknownGroup(group)
		}
	}
	last, err := in.Last()
	if err != nil {
		return nil, err
	}
	var found []*registry.Definition
	for _, definition := range catalog.Definitions(kindPipeline) {
		d := &document{}
		err := json.Unmarshal(definition.Document, d)
		if err != nil || definition.ID <= last || in.Source != "" && d.Source.Group != in.Source || in.Target != "" && d.Target != in.Target || in.Owner != "" && d.Owner != in.Owner {
			continue
		}
		if found = append(found, definition); len(found) > in.Limit {
			break
		}
	}
	out := &listPipelinesOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(d *registry.Definition) int64 { return d.ID })
	for _, d := range found {
		out.Body.Pipelines = append(out.Body.Pipelines, pipelineAnswer(catalog, d))
	}
	return out, nil
}
