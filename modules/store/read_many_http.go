package store

import (
	"bytes"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

type getManyInput struct {
	httpapi.Payload
	EntityType      string `path:"entity_type" doc:"The entity type" example:"customer"`
	Accept          string `header:"Accept" doc:"Another format of a table, with the join keys and a column per feature"`
	Format          string `query:"format" doc:"The same by name: csv, ndjson, json, json_rows, parquet or arrow"`
	Statuses        bool   `query:"statuses" doc:"In a table: a column <name>__status beside each feature"`
	EventTimestamps bool   `query:"event_timestamps" doc:"In a table: a column <name>__event_timestamp beside each feature"`
}

// getManyBody documents the body of POST /get/{entity_type}.
type getManyBody struct {
	EntityIDs []any            `json:"entity_ids,omitempty" doc:"The entities, by the value of their only join key or as in a path"`
	Entities  []map[string]any `json:"entities,omitempty" doc:"The entities, each by its join keys"`
	Features  []string         `json:"features,omitempty" doc:"Which features; without it and service, all that are active or draft"`
	Service   string           `json:"service,omitempty" doc:"A feature service that lists them"`
}

// getManyAnswer documents the answer of POST /get/{entity_type}.
type getManyAnswer struct {
	EntityIDs  []any                `json:"entity_ids" doc:"As they were asked for, in that order; entities where they were asked for so"`
	Features   map[string][]any     `json:"features"`
	Statuses   map[string][]string  `json:"statuses"`
	EventTimes map[string][]*string `json:"event_times"`
}

// manyRequest is a read body of POST /get/{entity_type}.
type manyRequest struct {
	byMembers bool // entities, instead of entity_ids
	keys      []Key
	features  string // a JSON list
	service   string
}

// getMany answers many entities, by columns.
func (s *Store) getMany(r *httpapi.Request, b []byte) ([]byte, error) {
	catalog := s.definitions.Catalog()
	entityType, err := entityTypeOf(catalog, r.Path("entity_type"))
	if err != nil {
		return nil, err
	}
	shape, err := shapeOf(r)
	if err != nil {
		return nil, err
	}
	text, err := r.Payload().JSON(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	request, err := s.readMany(entityType, text)
	if err != nil {
		return nil, err
	}
	plan, err := s.planOf(catalog, entityType, request.features, request.service, "body")
	if err != nil {
		return nil, err
	}
	answer, err := s.Read(r.Context(), plan.read(entityType, request.keys))
	if err != nil {
		return nil, err
	}
	defer answer.Release()
	sayServedFrom(r, answer)
	if shape.format == table.Unspecified {
		return plan.appendMany(b, entityType, request, answer.Cells), nil
	}
	r.SetHeader("Content-Type", shape.format.ContentType())
	return shape.write(b, entityType, request.keys, plan.asked, answer)
}

// tableShape says how many entities are answered as a table; Unspecified: by columns with statuses and event times.
type tableShape struct {
	format                    table.Format
	statuses, eventTimestamps bool
}

func shapeOf(r *httpapi.Request) (shape tableShape, err error) {
	if shape.format, err = formatOf(r.Query("format"), r.Header("Accept"), table.Unspecified); err != nil {
		return shape, err
	}
	if shape.format == table.JSON {
		shape.format = table.Unspecified
	}
	if shape.statuses, err = boolOf(r, "statuses"); err != nil {
		return shape, err
	}
	shape.eventTimestamps, err = boolOf(r, "event_timestamps")
	return shape, err
}

// boolOf reads a query parameter of a Direct operation.
func boolOf(r *httpapi.Request, name string) (bool, error) {
	switch text := r.Query(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fault.New(fault.Invalid, "invalid-query", "%s is true or false", name).At("query."+name, text, "is neither true nor false")
	}
}

func (s *Store) readMany(entityType *registry.EntityType, text string) (manyRequest, error) {
	var request manyRequest
	var problem *fault.Error
	given := 0
	keys := func(scanner *jsonscan.Scanner, one func(raw string) (Key, error)) error {
		given++
		return scanner.Array(func(i int) error {
			if i > s.config.MaxEntities {
				return nil // the read refuses it
			}
			raw, err := scanner.Value()
			if err != nil {
				return err
			}
			key, err := one(raw)
			if err != nil {
				problem = entityProblem(problem, i, raw, err)
			}
			request.keys = append(request.keys, key)
			return nil
		})
	}
	scanner := jsonscan.New(text)
	err := scanner.Object(func(name string) (err error) {
		switch name {
		case "entity_ids":
			return keys(scanner, func(raw string) (Key, error) { return keyByID(entityType, raw) })
		case "entities":
			request.byMembers = true
			return keys(scanner, func(raw string) (Key, error) { return keyByMembers(entityType, raw) })
		case "features":
			request.features, err = listOf(scanner)
		case "service":
			request.service, err = scanner.Text()
		default:
			err = scanner.Errorf("unknown member %q: use entity_ids or entities, features or service", fault.Shorten(name))
		}
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	switch {
	case err != nil:
		return request, jsonscan.Fault(err)
	case given != 1:
		return request, fault.New(fault.Invalid, "invalid-request", "name the entities by entity_ids or by entities, and by one of the two only").
			At("body.entity_ids", "", "give either this or entities")
	case problem != nil:
		return request, problem
	}
	return request, nil
}

// listOf reads a list that is not empty and answers it as it is written.
func listOf(scanner *jsonscan.Scanner) (string, error) {
	if scanner.Kind() != jsonscan.Array {
		return "", scanner.Errorf("expected a list of names")
	}
	raw, err := scanner.Value()
	if err == nil && strings.TrimLeft(raw[1:], " \t\r\n") == "]" {
		err = scanner.Errorf("names no feature: leave it out for all of them")
	}
	return raw, err
}

// entityProblem adds one more entity that cannot be read.
func entityProblem(problem *fault.Error, i int, raw string, err error) *fault.Error {
	if problem == nil {
		problem = fault.New(fault.Invalid, "invalid-entity", "entities cannot be read: %s", err)
	}
	if len(problem.Violations) < 100 {
		problem.At("entities["+string(value.AppendJSON(nil, value.OfInt(int64(i))))+"]", raw, "%s", err)
	}
	return problem
}

// keyByID reads the value of an only join key or, for several, the text that a path would have.
func keyByID(entityType *registry.EntityType, raw string) (Key, error) {
	cell := table.JSONCell(raw)
	if len(entityType.JoinKeys) == 1 {
		return KeyOf(entityType.JoinKeys, []table.Cell{cell})
	}
	path, err := cell.Value(value.String, nil)
	if err != nil || path.IsNull() {
		return Key{}, badKey("name the entity as \"%s\"", keyForm(entityType.JoinKeys))
	}
	return ParseKey(entityType, path.Text())
}

// keyByMembers reads an object of join keys.
func keyByMembers(entityType *registry.EntityType, raw string) (Key, error) {
	members := make([]Field, 0, len(entityType.JoinKeys))
	scanner := jsonscan.New(raw)
	err := scanner.Object(func(name string) error {
		raw, err := scanner.Value()
		members = append(members, Field{Name: name, Cell: table.JSONCell(raw)})
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return keyOf(entityType, members)
}

// appendMany writes the answer for many entities.
func (p *plan) appendMany(b []byte, entityType *registry.EntityType, request manyRequest, cells []Cell) []byte {
	b = slices.Grow(b, 256+3*p.bytes+len(request.keys)*16+len(cells)*52)
	if request.byMembers {
		b = append(first(b, "entities"), '[')
	} else {
		b = append(first(b, "entity_ids"), '[')
	}
	for i, key := range request.keys {
		if i > 0 {
			b = append(b, ',')
		}
		if request.byMembers {
			b = appendJoinKeys(b, entityType, key)
		} else {
			b = appendEntityID(b, entityType, key)
		}
	}
	b = append(b, ']')
	n := len(p.asked)
	b = append(b, `,"features":{`...)
	for i := range n {
		b = append(p.appendName(b, i), '[')
		for at := i; at < len(cells); at += n {
			b = append(value.AppendJSON(b, cells[at].Value), ',')
		}
		b = closed(b, ']')
	}
	b = append(b, `},"statuses":{`...)
	for i := range n {
		b = append(p.appendName(b, i), '[')
		for at := i; at < len(cells); at += n {
			b = append(appendStatus(b, cells[at].Status), ',')
		}
		b = closed(b, ']')
	}
	b = append(b, `},"event_times":{`...)
	times := timeWriter{}
	for i := range n {
		b = append(p.appendName(b, i), '[')
		for at := i; at < len(cells); at += n {
			b = append(times.append(b, cells[at].EventTime), ',')
		}
		b = closed(b, ']')
	}
	return append(b, '}', '}')
}

// closed ends a list whose elements each are followed by a comma.
func closed(b []byte, bracket byte) []byte {
	if b[len(b)-1] == ',' {
		b[len(b)-1] = bracket
		return b
	}
	return append(b, bracket)
}

func appendJoinKeys(b []byte, entityType *registry.EntityType, key Key) []byte {
	b = append(b, '{')
	for i, v := range key.Values {
		b = value.AppendJSON(appendKey(b, i, entityType.JoinKeys[i].Name), v)
	}
	return append(b, '}')
}

// write answers in a format of a table: the join keys, then the features.
func (t tableShape) write(b []byte, entityType *registry.EntityType, keys []Key, asked []Requested, answer *Answer) ([]byte, error) {
	shape := TrainingRequest{features: asked, Statuses: t.statuses, EventTimestamps: t.eventTimestamps}
	var columns []table.Column
	for _, k := range entityType.JoinKeys {
		columns = append(columns, table.Column{Name: k.Name, Type: k.ValueType})
	}
	columns = append(columns, shape.columns()...)
	body := bytes.NewBuffer(b)
	out, err := table.NewWriter(t.format, body, columns)
	if err != nil {
		return nil, err
	}
	var cells []table.Cell
	for r, key := range keys {
		cells = cells[:0]
		for _, v := range key.Values {
			cells = append(cells, table.ValueCell(v))
		}
		for _, c := range answer.Cells[r*len(asked) : (r+1)*len(asked)] {
			cells = shape.appendAnswer(cells, c)
		}
		if err := out.Write(1, cells); err != nil {
			return nil, err
		}
	}
	err = out.Close()
	return body.Bytes(), err
}
