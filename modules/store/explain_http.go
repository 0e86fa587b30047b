package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// materializationKind is the kind of the runs that bring groups online, which package materialization does.
const materializationKind = "materialization"

type explainInput struct {
	EntityPath
	Feature string `path:"feature" doc:"The feature: its short name or group:feature, either with @version" example:"purchase_count_30d"`
}

// explainAnswer says how one value comes to be what it is.
type explainAnswer struct {
	EntityType string          `json:"entity_type"`
	EntityID   json.RawMessage `json:"entity_id"`
	Asked      string          `json:"asked" doc:"The name as it was asked for"`
	Verdict    string          `json:"verdict" doc:"One sentence"`
	Resolved   resolvedAnswer  `json:"resolved"`
	Offline    *observedAnswer `json:"offline" doc:"The newest observation in the offline store; null: never observed"`
	Online     *observedAnswer `json:"online" doc:"What the online store holds; null: nothing"`
	OnlineCopy copyAnswer      `json:"online_copy"`
	LastRun    *runs.Answer    `json:"last_run" doc:"The newest materialization run of the group; null if there was none. What the ticker does without a failure is no run"`
	Now        string          `json:"now" doc:"The offline store's clock"`
}

type resolvedAnswer struct {
	Feature   string          `json:"feature" doc:"group:feature"`
	How       string          `json:"how" doc:"Why the name leads there"`
	Version   int             `json:"version"`
	Status    registry.Status `json:"status"`
	ValueType string          `json:"value_type"`
	TTL       string          `json:"ttl" doc:"\"\": values count for ever"`
}

type observedAnswer struct {
	Status    string          `json:"status" doc:"How it reads now"`
	Value     json.RawMessage `json:"value" doc:"What was observed, also if it has expired"`
	EventTime string          `json:"event_time"`
	IngestID  int64           `json:"ingest_id" doc:"Of two observations with one event time the one with the higher id counts"`
	TTLEnds   *string         `json:"ttl_ends" doc:"The last moment at which it counts; null: for ever"`
}

type copyAnswer struct {
	Reachable   bool    `json:"reachable"`
	Complete    bool    `json:"complete" doc:"The group's online copy says of itself that it is complete; until then reads are answered offline"`
	Watermark   string  `json:"watermark" doc:"How far materialization got in the order of ingestion"`
	Position    string  `json:"position" doc:"How far ingestion got"`
	RowsBehind  int     `json:"rows_behind" doc:"Rows of the group that came in since the watermark, counted up to 10000; single writes among them are online already"`
	BehindSince *string `json:"behind_since" doc:"When the first of them came in"`
}

// explain answers why a value is what it is.
func (s *Store) explain(ctx context.Context, in *explainInput) (*struct{ Body explainAnswer }, error) {
	catalog := s.definitions.Catalog()
	entityType, key, err := in.find(catalog)
	if err != nil {
		return nil, err
	}
	asked, err := resolveAll([]string{in.Feature}, "path.feature", func(name string) (*registry.Feature, error) {
		return catalog.Resolve(entityType.Name, name)
	})
	if err != nil {
		return nil, err
	}
	feature := asked[0].Feature
	e, err := s.Explain(ctx, key, feature)
	if err != nil {
		return nil, err
	}
	feature = e.Feature
	if e.OnlineErr != nil {
		s.log.Warn("explain could not ask the online store", "group", feature.Group.Name, "error", e.OnlineErr)
	}
	last, found, err := s.runs.Latest(ctx, materializationKind, feature.Group.Name)
	if err != nil {
		return nil, err
	}
	var lastRun *runs.Answer
	if found {
		shown := last.Show()
		lastRun = &shown
	}
	out := &struct{ Body explainAnswer }{explainAnswer{
		EntityType: entityType.Name, EntityID: appendEntityID(nil, entityType, key), Asked: in.Feature,
		Verdict: e.verdict(last),
		Resolved: resolvedAnswer{
			Feature: feature.Reference(), How: resolution(in.Feature, feature), Version: feature.Version,
			Status: feature.Status, ValueType: feature.ValueType.String(), TTL: registry.FormatDuration(feature.Group.TTL),
		},
		Offline: e.shown(e.Offline), Online: e.shown(e.Online),
		OnlineCopy: copyAnswer{
			Reachable: e.OnlineErr == nil, Complete: e.Marked,
			Watermark: string(e.State.Watermark.Position), Position: string(e.Position),
			RowsBehind: e.Behind, BehindSince: timeText(e.Since),
		},
		LastRun: lastRun, Now: string(value.AppendTime(nil, e.Now)),
	}}
	return out, nil
}

// resolution says why a name leads to a feature.
func resolution(asked string, f *registry.Feature) string {
	switch asked {
	case f.Reference():
		return "the name says its group"
	case f.Name:
		return fmt.Sprintf("of the features of this name, the one of %s had the short name first", f.Group.Name)
	case strings.TrimPrefix(f.Name, f.Group.EntityType.Name+"_"):
		return fmt.Sprintf("%s also has the short name %s, which was free", f.Name, asked)
	}
	name, _, pinned := strings.Cut(asked, "@")
	if _, behind, found := strings.Cut(name, ":"); found {
		name = behind
	}
	switch {
	case pinned && f.Until != 0:
		return fmt.Sprintf("the values of %s up to version %d were of another type and stand beside the newer ones", f.Reference(), f.Version)
	case slices.Contains(f.Aliases, name):
		return fmt.Sprintf("%s is a former name of %s", name, f.Reference())
	}
	return fmt.Sprintf("it is another way to write %s", f.Reference())
}

func (e *Explanation) shown(o *Observed) *observedAnswer {
	if o == nil {
		return nil
	}
	return &observedAnswer{
		Status: o.Cell.Status.String(), Value: value.AppendJSON(nil, o.Value),
		EventTime: string(value.AppendTime(nil, o.Stamp.EventTime)), IngestID: o.Stamp.IngestID,
		TTLEnds: timeText(e.ends(o)),
	}
}

// ends is the last moment at which an observation counts.
func (e *Explanation) ends(o *Observed) int64 {
	ttl := e.Feature.Group.TTL.Microseconds()
	if ttl == 0 || o.Stamp.EventTime > lastTime-ttl {
		return value.NoTime
	}
	return o.Stamp.EventTime + ttl
}

func timeText(us int64) *string {
	if us == value.NoTime {
		return nil
	}
	text := string(value.AppendTime(nil, us))
	return &text
}

// verdict is the explanation in one sentence.
func (e *Explanation) verdict(last runs.Run) string {
	group := e.Feature.Group.Name
	cause := ""
	if last.State == runs.Failed {
		cause = fmt.Sprintf("; its last run, %d, failed: %s", last.ID, last.Reason)
	}
	switch {
	case e.OnlineErr != nil:
		return fmt.Sprintf("The online store cannot be asked now, so reads are answered from the offline store, where this value is %s%s.", status(e.Offline), cause)
	case !e.Marked:
		return fmt.Sprintf("The online copy of %s is not complete, so reads are answered from the offline store, where this value is %s, until materialization has brought it back%s.",
			group, status(e.Offline), cause)
	case e.Offline == nil && e.Online == nil:
		return "It was never observed for this entity: nobody has stored it, or the id is written in another way than when it was stored."
	case e.Offline == nil:
		return fmt.Sprintf("The online store holds a value that the history does not have: materialize %s with mode rebuild.", group)
	case e.Online == nil && e.Offline.Cell.Status == OutsideMaxAge:
		return fmt.Sprintf("It has expired at %s and its space online has been reclaimed, so it reads as NOT_FOUND.", value.AppendTime(nil, e.ends(e.Offline)))
	case e.Online == nil || e.Offline.Stamp.Newer(e.Online.Stamp):
		return fmt.Sprintf("The online copy is behind the history and reads as %s: materialization of %s brings the newer observation%s.", status(e.Online), group, cause)
	case e.Online.Stamp.Newer(e.Offline.Stamp):
		return fmt.Sprintf("The online store holds a newer observation than the history: materialize %s with mode rebuild.", group)
	case e.Online.Cell.Status == OutsideMaxAge:
		return fmt.Sprintf("It has expired at %s, since values of %s count for %s; store a newer observation.",
			value.AppendTime(nil, e.ends(e.Online)), group, registry.FormatDuration(e.Feature.Group.TTL))
	}
	return fmt.Sprintf("Both stores agree: it is %s.", status(e.Online))
}

func status(o *Observed) Status {
	if o == nil {
		return NotFound
	}
	return o.Cell.Status
}
