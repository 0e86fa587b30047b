package store

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// HistoryRequest asks for one entity's observations, newest first in each group.
type HistoryRequest struct {
	Key      Key
	Features []*registry.Feature
	From, To *int64  // µs, [From, To); nil: open
	Limit    int     // per group; 0: all
	Moment   *Moment // nil: now; else as known then, and the features are of its catalog
}

// History yields the observations of an entity, group by group, as they came in: corrections stand beside what they correct, until what
// they correct is compacted away.
func (s *Store) History(ctx context.Context, request HistoryRequest, yield func(*Rows) error) error {
	snapshot, shares, err := s.viewThen(ctx, "read history", split(request.Features), request.Moment)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	if err := s.reachFrom(ctx, snapshot, shares, request.Moment, request.From); err != nil {
		return err
	}
	for _, sh := range shares {
		of := Range{Key: &request.Key, From: request.From, To: request.To, Limit: request.Limit}
		if err := snapshot.Observations(ctx, sh.group, sh.features, of, yield); err != nil {
			return unavailable("read the history of "+sh.group.Name, err)
		}
	}
	return nil
}

// ExportRequest asks for a group's rows.
type ExportRequest struct {
	Group    *registry.Group
	From, To *int64 // event times, [From, To); nil: open
	Latest   bool   // one row per entity: each feature by rule 1, TTL applied
	Presence bool   // a column "presence" that the loader reads back

	Moment *Moment // nil: now; else as known then, and the group is of its catalog
}

// Export writes a group's rows to the writer that begin makes: join keys, event_time, features. What was not observed is missing.
// With Latest, the event time is the newest of the row's features, and an entity of which every value has expired is left out; as known
// then, expired by then.
func (s *Store) Export(ctx context.Context, request ExportRequest, begin func([]table.Column) (table.Writer, error)) error {
	snapshot, shares, err := s.viewThen(ctx, "export "+request.Group.Name, []share{{group: request.Group}}, request.Moment)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	request.Group = shares[0].group
	if request.Latest && request.Group.Kind == registry.Events {
		return eventGroup(request.Group)
	}
	e := &export{request: request, tolerance: s.config.FutureTolerance.Microseconds(), now: snapshot.Now()}
	if request.Moment != nil {
		e.now = request.Moment.since
	}
	if !request.Latest { // of what is retained nothing goes that is the newest of anything
		if err := s.reachFrom(ctx, snapshot, shares, request.Moment, request.From); err != nil {
			return err
		}
	}
	if e.out, err = begin(e.columns()); err != nil {
		return err
	}
	features := request.Group.Features
	if request.Latest {
		err = snapshot.Current(ctx, request.Group, features, e.current)
	} else {
		err = snapshot.Observations(ctx, request.Group, features, Range{From: request.From, To: request.To}, e.observations)
	}
	if err != nil {
		return unavailable("export "+request.Group.Name, err)
	}
	return e.out.Close()
}

// export is one export on its way.
type export struct {
	request   ExportRequest
	now       int64
	tolerance int64
	out       table.Writer
	cells     []table.Cell
}

func (e *export) columns() []table.Column {
	var columns []table.Column
	for _, k := range e.request.Group.EntityType.JoinKeys {
		columns = append(columns, table.Column{Name: k.Name, Type: k.ValueType})
	}
	columns = append(columns, table.Column{Name: "event_time", Type: value.Timestamp})
	for _, f := range e.request.Group.Features {
		columns = append(columns, table.Column{Name: f.Name, Type: f.ValueType})
	}
	if e.request.Presence {
		columns = append(columns, table.Column{Name: presenceColumn, Type: value.String})
	}
	return columns
}

func (e *export) observations(rows *Rows) error {
	e.cells = e.cells[:0]
	for i, key := range rows.Keys {
		e.row(key, rows.EventTimes[i], rows.Row(i))
	}
	return e.out.Write(len(rows.Keys), e.cells)
}

func (e *export) current(current *Current) error {
	e.cells = e.cells[:0]
	n, written := len(current.Features), 0
	values := make([]value.Value, n)
	for i, key := range current.Keys {
		newest, found := int64(0), false
		for j, f := range current.Features {
			stamp := current.Stamps[i*n+j]
			values[j] = value.Value{}
			cell := judge(f, current.Values[i*n+j], stamp, e.now)
			if cell.Status != Present && cell.Status != NullValue {
				continue
			}
			values[j] = cell.Value
			if !found || stamp.EventTime > newest {
				newest, found = stamp.EventTime, true
			}
		}
		if from, to := e.request.From, e.request.To; found && (from == nil || newest >= *from) && (to == nil || newest < *to) {
			e.row(key, newest, values)
			written++
		}
	}
	return e.out.Write(written, e.cells)
}

func (e *export) row(key Key, eventTime int64, values []value.Value) {
	for _, v := range key.Values {
		e.cells = append(e.cells, table.ValueCell(v))
	}
	e.cells = append(e.cells, table.ValueCell(value.OfTime(eventTime)))
	for i, v := range values {
		if e.request.Group.Features[i].ValueType == value.Float {
			v = v.AsFloat()
		}
		e.cells = append(e.cells, table.ValueCell(v))
	}
	if !e.request.Presence {
		return
	}
	present := ""
	for i, v := range values {
		if !v.IsAbsent() {
			present += " " + e.request.Group.Features[i].Name
		}
	}
	e.cells = append(e.cells, table.ValueCell(value.OfString(present[min(1, len(present)):])))
}
