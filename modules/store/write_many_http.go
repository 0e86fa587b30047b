package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

type storeManyInput struct {
	httpapi.Payload
	httpapi.Idempotent
	EntityType string `path:"entity_type" doc:"The entity type" example:"customer"`
	TimeColumn string `query:"time_column" doc:"In a table: the column of event times; default event_time, else event_timestamp, else every row is as of now"`
	TimeZone   string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
	Nulls      string `query:"nulls" enum:"keep,skip" default:"keep" doc:"skip: a null was not observed, instead of observed as null"`
}

// storeManyBody documents the body of POST /store/{entity_type}.
type storeManyBody struct {
	Rows []struct {
		EntityID  any            `json:"entity_id,omitempty" doc:"The value of the only join key, or as in a path"`
		Entity    map[string]any `json:"entity,omitempty" doc:"The join keys, in place of entity_id"`
		EventTime string         `json:"event_time,omitempty" doc:"Default now"`
		Features  map[string]any `json:"features"`
	} `json:"rows"`
}

// storedManyAnswer documents the answer of POST /store/{entity_type}.
type storedManyAnswer struct {
	EntityType  string            `json:"entity_type"`
	Received    int               `json:"received" doc:"stored + duplicate + rejected + quarantined + erased"`
	Stored      int               `json:"stored"`
	Duplicate   int               `json:"duplicate"`
	Rejected    int               `json:"rejected"`
	Quarantined int               `json:"quarantined" doc:"Rows of which something waits in quarantine; what they hold of other groups is stored"`
	Erased      int               `json:"erased"`
	EventTimes  []string          `json:"event_times" doc:"One for each row"`
	Features    map[string]string `json:"features" doc:"For each name as it was sent the name of the feature"`
	Registered  []string          `json:"registered" doc:"Names that nobody had registered and that are drafts now"`
	Online      string            `json:"online" enum:"written,pending,none"`
	Waiting     []heldAnswer      `json:"quarantine,omitempty" doc:"The first of what is not stored since it breaks rules, by rows and groups, and waits in quarantine"`
}

// storeMany stores many observations in one transaction.
func (s *Store) storeMany(ctx context.Context, in *storeManyInput) (*httpapi.Bytes, error) {
	keyed, err := in.Keyed()
	if err != nil {
		return nil, err
	}
	observations, err := s.readObservations(in, keyed)
	if err != nil {
		return nil, err
	}
	write := func(b []byte, w *Written) []byte {
		return append(w.appendHeld(appendStoredMany(b, in.EntityType, observations, w), "quarantine", s.config.LoadErrors, observations), '}')
	}
	if keyed != nil {
		written, err := s.writeKeyed(ctx, &in.Payload, keyed, in.EntityType, observations, write)
		if err != nil {
			return nil, err
		}
		return &httpapi.Bytes{Status: written.Status, ContentType: jsonType, Body: written.Answer}, nil
	}
	written, err := s.Write(ctx, in.EntityType, observations)
	if err != nil {
		return nil, err
	}
	return &httpapi.Bytes{Status: written.Status, ContentType: jsonType, Body: write(make([]byte, 0, 512+32*len(observations)), written)}, nil
}

// appendStoredMany writes the answer but for its end.
func appendStoredMany(b []byte, entityType string, observations []Observation, w *Written) []byte {
	n := int64(len(observations))
	b = value.AppendJSONString(first(b, "entity_type"), entityType)
	b = w.appendCounts(b, n)
	b = append(appendMember(b, "event_times"), '[')
	for i := range w.EventTimes {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.appendEventTime(b, i)
	}
	b = appendStored(appendMember(append(b, ']'), "features"), distinctFields(observations), w.Stored)
	b = value.AppendJSONStrings(appendMember(b, "registered"), w.Registered)
	return appendOnline(b, w.Online)
}

// distinctFields are the fields that observations have, each name once, in the order in which they first occur.
func distinctFields(observations []Observation) []Field {
	var fields []Field
	seen := map[string]bool{}
	for i := range observations {
		for _, f := range observations[i].Fields {
			if !seen[f.Name] {
				seen[f.Name] = true
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// appendCounts writes what became of the rows of a call (rule 13).
func appendCounts(b []byte, l *Loaded) []byte {
	count := func(name string, n int64) { b = value.AppendJSON(appendMember(b, name), value.OfInt(n)) }
	count("received", l.Received)
	count("stored", l.Stored)
	count("duplicate", l.Duplicate)
	count("rejected", l.Rejected)
	count("quarantined", l.Quarantined)
	count("erased", l.Erased)
	return b
}

// readObservations reads {"rows": [{…}]} or any format of a table; the body goes into the fingerprint of a request with a key.
func (s *Store) readObservations(in *storeManyInput, keyed *httpapi.Keyed) ([]Observation, error) {
	zone, err := zoneOf(in.TimeZone)
	if err != nil {
		return nil, err
	}
	body, err := in.Bytes(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	if keyed != nil {
		keyed.Write(body) //nolint:errcheck // a fingerprint takes everything
	}
	entityType, _ := s.definitions.Catalog().EntityType(in.EntityType)
	r := &observationReader{store: s, in: in, zone: zone, entityType: entityType}
	if isRowsObject(in.ContentType, body) {
		err = r.object(string(body))
	} else {
		err = r.table(body)
	}
	switch {
	case err != nil:
		return nil, err
	case len(r.observations) == 0:
		return nil, fault.New(fault.Invalid, "empty-body", "there is no row: send {\"rows\": [{\"entity_id\": …, \"features\": {…}}]} or a table").
			At("body", "", "holds no row")
	}
	return r.observations, nil
}

// isRowsObject tells {"rows": [{…}]} from a table in JSON by columns that has a column of that name.
func isRowsObject(contentType string, body []byte) bool {
	if contentType != "" && contentType != "application/octet-stream" && contentType != jsonType {
		return false
	}
	for _, token := range []string{"{", `"rows"`, ":", "["} {
		body = bytes.TrimLeft(body, " \t\r\n")
		if !bytes.HasPrefix(body, []byte(token)) {
			return false
		}
		body = body[len(token):]
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == ']')
}

// observationReader collects the observations of a body, each with what is wrong with it.
type observationReader struct {
	store        *Store
	in           *storeManyInput
	zone         *time.Location
	entityType   *registry.EntityType // nil while nobody registered it
	observations []Observation
}

// full tells that a further row would be one too many, which Write refuses.
func (r *observationReader) full() bool { return len(r.observations) > r.store.config.MaxRows }

func (r *observationReader) object(text string) error {
	scanner := jsonscan.New(text)
	err := scanner.Object(func(name string) error {
		if name != "rows" {
			return scanner.Errorf("unknown member %q: the body is {\"rows\": […]}", fault.Shorten(name))
		}
		return scanner.Array(func(i int) error {
			if r.full() {
				return nil
			}
			return r.row(scanner, fmt.Sprintf("rows[%d]", i))
		})
	})
	if err == nil {
		err = scanner.End()
	}
	return jsonscan.Fault(err)
}

// row reads {"entity_id": …, "event_time": …, "features": {…}}.
func (r *observationReader) row(scanner *jsonscan.Scanner, place string) error {
	o := Observation{EventTime: value.NoTime, Zone: r.zone, Place: place}
	named, featured := 0, false
	err := scanner.Object(func(name string) error {
		switch name {
		case "entity_id":
			named++
			raw, err := scanner.Value()
			o.Entity = r.entityByID(raw)
			return err
		case "entity":
			named++
			return r.fields(scanner, &o.Entity.Members)
		case eventTimeMember:
			raw, err := scanner.Value()
			if err != nil {
				return err
			}
			t, err := bodyTime(place+".event_time", table.JSONCell(raw), r.zone)
			if problem, ok := fault.As(err); ok {
				o.wrong(place+".event_time", raw, "%s", problem.Detail)
			}
			o.EventTime = t
			return nil
		case "features":
			featured = true
			return r.fields(scanner, &o.Fields)
		}
		return scanner.Errorf("unknown member %q: a row has entity_id or entity, event_time and features", fault.Shorten(name))
	})
	if err != nil {
		return err
	}
	if named != 1 {
		o.wrong(place+".entity_id", "", "name the entity by entity_id or by entity, and by one of the two only")
	}
	if !featured {
		o.wrong(place+".features", "", "is missing")
	}
	r.observations = append(r.observations, o)
	return nil
}

// entityByID takes the value of an only join key or, for several, the text that a path would have.
func (r *observationReader) entityByID(raw string) Entity {
	if r.entityType != nil && len(r.entityType.JoinKeys) > 1 && jsonscan.KindOf(raw) == jsonscan.String {
		return Entity{Path: jsonscan.Unquote(raw)}
	}
	return Entity{Members: []Field{{Name: "entity_id", Cell: table.JSONCell(raw)}}}
}

func (r *observationReader) fields(scanner *jsonscan.Scanner, into *[]Field) error {
	return scanner.Object(func(name string) error {
		raw, err := scanner.Value()
		*into = r.field(*into, name, table.JSONCell(raw))
		return err
	})
}

// field appends a field, unless it is a null that was not observed.
func (r *observationReader) field(to []Field, name string, cell table.Cell) []Field {
	if cell.IsMissing() || cell.IsNull() && r.in.Nulls == "skip" {
		return to
	}
	return append(to, Field{Name: name, Cell: cell})
}

// table reads rows whose columns are the join keys, the time and features.
func (r *observationReader) table(body []byte) error {
	owner := &spooled{}
	defer owner.Close()
	source, _, err := table.NewReader(inMemory(bytes.NewReader(body)), r.store.tableOptions(&r.in.Payload, owner))
	if err != nil {
		return err
	}
	for !r.full() {
		batch, err := source.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.batch(batch); err != nil {
			return err
		}
	}
	return nil
}

func (r *observationReader) batch(batch *table.Batch) error {
	unread := batch.Bad
	if len(batch.Columns) == 0 { // none of its rows could be read
		r.unread(unread)
		return nil
	}
	timeColumn, err := TimeColumn(batch.Columns, r.in.TimeColumn)
	if err != nil {
		return err
	}
	columns := slices.Clone(batch.Columns)
	for i := range batch.Rows {
		number, cells := batch.Number(i), batch.Row(i)
		n := 0
		for n < len(unread) && unread[n].Number < number {
			n++
		}
		r.unread(unread[:n])
		unread = unread[n:]
		o := Observation{EventTime: value.NoTime, Zone: r.zone, Place: rowPlace(number, "")}
		for at, name := range columns {
			switch {
			case at == timeColumn:
				if o.EventTime, err = bodyTime("", cells[at], r.zone); err != nil {
					o.wrong(rowPlace(number, name), cells[at].Display(), "%s", err)
				}
			case r.isKey(name):
				o.Entity.Members = append(o.Entity.Members, Field{Name: name, Cell: cells[at]})
			default:
				o.Fields = r.field(o.Fields, name, cells[at])
			}
		}
		if len(o.Entity.Members) == 0 {
			return fault.New(fault.Unprocessable, "missing-column", "no column names the entity").
				At("columns", strings.Join(columns, ","), "there is no column %s", strings.Join(r.keyColumns(), " or "))
		}
		r.observations = append(r.observations, o)
	}
	r.unread(unread)
	return nil
}

// unread notes rows that could not be read.
func (r *observationReader) unread(rows []table.BadRow) {
	for _, bad := range rows {
		o := Observation{EventTime: value.NoTime, Place: rowPlace(bad.Number, "")}
		o.wrong(rowPlace(bad.Number, bad.Column), bad.Value, "%s", bad.Reason)
		r.observations = append(r.observations, o)
	}
}

func (r *observationReader) isKey(column string) bool { return slices.Contains(r.keyColumns(), column) }

// keyColumns are the columns that name the entity; of an only join key also entity_id.
func (r *observationReader) keyColumns() []string {
	if r.entityType == nil {
		return []string{r.in.EntityType + "_id", "entity_id"}
	}
	var names []string
	for _, k := range r.entityType.JoinKeys {
		names = append(names, k.Name)
	}
	if len(names) == 1 {
		names = append(names, "entity_id")
	}
	return names
}
