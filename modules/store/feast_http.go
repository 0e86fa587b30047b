package store

import (
	"slices"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

// Feast's online protocol, so that every Feast client is one of ours. Its clients take types from the JSON alone, hand any value to
// their user whatever its status says, and raise at empty arrays; so whole floats are written 1.0, times as integer seconds, JSON as
// text, and empty arrays as null.

type feastReadInput struct{ httpapi.Payload }

// feastReadBody documents the body of POST /get-online-features.
type feastReadBody struct {
	Features         []string         `json:"features,omitempty" doc:"group:feature" example:"[\"customer_purchases:avg_order_value_90d\"]"`
	FeatureService   string           `json:"feature_service,omitempty" doc:"In place of features"`
	Entities         map[string][]any `json:"entities" doc:"A column per join key"`
	FullFeatureNames bool             `json:"full_feature_names,omitempty" doc:"Names are group__feature"`
}

// feastReadAnswer documents the answer of POST /get-online-features.
type feastReadAnswer struct {
	Metadata struct {
		FeatureNames []string `json:"feature_names" doc:"The join keys, then the features"`
	} `json:"metadata"`
	Results []struct {
		Values          []any    `json:"values"`
		Statuses        []string `json:"statuses"`
		EventTimestamps []string `json:"event_timestamps"`
	} `json:"results" doc:"One for each name, with one element for each row of entities"`
}

// feastRead is a read body.
type feastRead struct {
	features string // a JSON list
	service  string
	full     bool
	names    []string   // of the join keys, in the order in which they came
	columns  [][]string // their values as raw JSON
}

// getOnlineFeatures answers features of any entity types as Feast's feature server does.
func (s *Store) getOnlineFeatures(r *httpapi.Request, b []byte) ([]byte, error) {
	raw, err := r.Payload().Bytes(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	request, err := s.parseFeastRead(string(raw))
	if err != nil {
		return nil, err
	}
	catalog := s.definitions.Catalog()
	plan, err := s.plans.of(catalog, planKey{features: request.features, service: request.service, full: request.full}, func(names []string) ([]Requested, error) {
		query := FeatureQuery{Features: names, Service: request.service, FullFeatureNames: request.full}
		return query.requested(catalog, "body.features", "body.feature_service")
	})
	if err != nil {
		return nil, err
	}
	read := Read{Rows: len(request.columns[0]), Features: plan.features, shares: plan.shares}
	if read.Keys, err = request.keys(catalog, read.Features); err != nil {
		return nil, err
	}
	answer, err := s.Read(r.Context(), read)
	if err != nil {
		return nil, err
	}
	defer answer.Release()
	sayServedFrom(r, answer)
	return plan.appendFeast(b, request, answer.Cells), nil
}

// parseFeastRead reads the body whatever its content type says; members that it does not know are of no concern.
func (s *Store) parseFeastRead(text string) (*feastRead, error) {
	r := &feastRead{}
	scanner := jsonscan.New(text)
	err := scanner.Object(func(name string) (err error) {
		if scanner.Kind() == jsonscan.Null {
			return nil
		}
		switch name {
		case "features":
			r.features, err = listOf(scanner)
		case "feature_service":
			r.service, err = scanner.Text()
		case "full_feature_names":
			r.full, err = scanner.Bool()
		case "entities":
			err = scanner.Object(func(name string) error {
				column := []string{}
				r.names = append(r.names, name)
				err := scanner.Array(func(i int) error {
					if i > s.config.MaxEntities {
						return nil // the read refuses it
					}
					raw, err := scanner.Value()
					column = append(column, raw)
					return err
				})
				r.columns = append(r.columns, column)
				return err
			})
		}
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if len(r.columns) == 0 {
		return nil, fault.New(fault.Invalid, "no-entities", "name the entities: {\"entities\": {\"<join key>\": […]}}").At("body.entities", "", "is missing or empty")
	}
	for i, column := range r.columns {
		if len(column) != len(r.columns[0]) {
			return nil, fault.New(fault.Invalid, "ragged-columns", "the columns of entities differ in length: %s has %d, %s has %d",
				r.names[0], len(r.columns[0]), r.names[i], len(column)).At("body.entities."+r.names[i], "", "has another length than the first column")
		}
	}
	return r, nil
}

// keys makes the keys of each entity type that the features are of, one per row.
func (r *feastRead) keys(catalog *registry.Catalog, features []*registry.Feature) (map[string][]Key, error) {
	known := map[string]bool{}
	for _, e := range catalog.EntityTypes() {
		for _, k := range e.JoinKeys {
			known[k.Name] = true
		}
	}
	for _, name := range r.names {
		if !known[name] {
			return nil, fault.New(fault.Unprocessable, "unknown-join-key", "no entity type has a join key %q", name).
				At("body.entities."+fault.Shorten(name), "", "is no join key")
		}
	}
	keys := map[string][]Key{}
	for _, f := range features {
		entityType := f.Group.EntityType
		if keys[entityType.Name] != nil {
			continue
		}
		of, err := r.keysOf(entityType)
		if err != nil {
			return nil, err
		}
		keys[entityType.Name] = of
	}
	return keys, nil
}

func (r *feastRead) keysOf(entityType *registry.EntityType) ([]Key, error) {
	columns := make([][]string, len(entityType.JoinKeys))
	for i, k := range entityType.JoinKeys {
		for at, name := range r.names {
			if name == k.Name {
				columns[i] = r.columns[at]
			}
		}
		if columns[i] == nil {
			return nil, fault.New(fault.Unprocessable, "missing-join-key", "the join key %s of %s is missing", k.Name, entityType.Name).
				At("body.entities", "", "has no column %s", k.Name)
		}
	}
	var problem *fault.Error
	keys := make([]Key, len(r.columns[0]))
	cells := make([]table.Cell, len(columns))
	for row := range keys {
		for i := range columns {
			cells[i] = table.JSONCell(columns[i][row])
		}
		var err error
		if keys[row], err = KeyOf(entityType.JoinKeys, cells); err != nil {
			problem = entityProblem(problem, row, columns[0][row], err)
		}
	}
	if problem != nil {
		return nil, problem
	}
	return keys, nil
}

// epoch is what stands for no time.
const epoch = `"1970-01-01T00:00:00Z"`

// appendFeast writes the answer of Feast's protocol.
func (p *plan) appendFeast(b []byte, r *feastRead, cells []Cell) []byte {
	rows := len(r.columns[0])
	b = slices.Grow(b, 128+p.bytes+(rows+1)*(len(p.asked)+len(r.names))*52)
	b = append(b, `{"metadata":{"feature_names":[`...)
	for i, name := range r.names {
		b = value.AppendJSONString(comma(b, i), name)
	}
	for _, f := range p.asked {
		b = value.AppendJSONString(append(b, ','), f.Column)
	}
	b = append(b, `]},"results":[`...)
	for i, column := range r.columns {
		b = append(comma(b, i), `{"values":[`...)
		for _, raw := range column {
			b = append(append(b, raw...), ',')
		}
		b = append(closed(b, ']'), `,"statuses":[`...)
		for range rows {
			b = append(b, `"PRESENT",`...)
		}
		b = append(closed(b, ']'), `,"event_timestamps":[`...)
		for range rows {
			b = append(b, epoch+","...)
		}
		b = append(closed(b, ']'), '}')
	}
	n := len(p.asked)
	times := timeWriter{}
	for i := range n {
		b = append(b, `,{"values":[`...)
		for at := i; at < len(cells); at += n {
			b = append(appendFeastValue(b, cells[at].Value), ',')
		}
		b = append(closed(b, ']'), `,"statuses":[`...)
		for at := i; at < len(cells); at += n {
			b = append(appendStatus(b, cells[at].Status), ',')
		}
		b = append(closed(b, ']'), `,"event_timestamps":[`...)
		for at := i; at < len(cells); at += n {
			if cells[at].EventTime == value.NoTime {
				b = append(b, epoch+","...)
			} else {
				b = append(times.append(b, cells[at].EventTime), ',')
			}
		}
		b = append(closed(b, ']'), '}')
	}
	return append(b, ']', '}')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendFeastValue writes a value as Feast's clients read it.
func appendFeastValue(b []byte, v value.Value) []byte {
	switch t := v.Type(); {
	case t == value.Timestamp:
		return value.AppendJSON(b, value.OfInt(seconds(v.Time())))
	case t == value.JSON:
		return value.AppendJSONString(b, v.Text())
	case t.Array() && v.Len() == 0:
		return append(b, "null"...)
	case t == value.TimestampArray:
		b = append(b, '[')
		for i, us := range v.Ints() {
			b = value.AppendJSON(comma(b, i), value.OfInt(seconds(us)))
		}
		return append(b, ']')
	}
	return value.AppendJSON(b, v)
}

// seconds are the whole seconds of a time, rounded down.
func seconds(us int64) int64 {
	if us < 0 && us%1_000_000 != 0 {
		return us/1_000_000 - 1
	}
	return us / 1_000_000
}
