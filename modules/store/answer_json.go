package store

import (
	"net/url"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Answers that carry values are appended by hand: integers stay exact to 64 bits, members have the order that is promised, and a
// read of many values costs little more than writing them down.

// appendMember begins a member of an object; the first one is begun with first.
func appendMember(b []byte, name string) []byte {
	return append(value.AppendJSONString(append(b, ','), name), ':')
}

func first(b []byte, name string) []byte {
	return append(value.AppendJSONString(append(b, '{'), name), ':')
}

func appendTextMember(b []byte, name, text string) []byte {
	return value.AppendJSONString(appendMember(b, name), text)
}

// appendTime writes a time, or null where there is none.
func appendTime(b []byte, us int64) []byte {
	if us == value.NoTime {
		return append(b, "null"...)
	}
	return append(value.AppendTime(append(b, '"'), us), '"')
}

// timeWriter writes times of which most are equal to the one before.
type timeWriter struct {
	last     int64
	from, to int // where the last one stands in the answer
}

// append is appendTime.
func (w *timeWriter) append(b []byte, us int64) []byte {
	if us == w.last && w.to > 0 {
		return append(b, b[w.from:w.to]...)
	}
	w.last, w.from = us, len(b)
	b = appendTime(b, us)
	w.to = len(b)
	return b
}

var quotedStatuses = [...]string{`"NOT_FOUND"`, `"PRESENT"`, `"NULL_VALUE"`, `"OUTSIDE_MAX_AGE"`}

// appendStatus writes a status in quotes.
func appendStatus(b []byte, s Status) []byte { return append(b, quotedStatuses[s]...) }

// appendEntity begins an answer with the names of an entity.
func appendEntity(b []byte, entityType *registry.EntityType, key Key) []byte {
	b = value.AppendJSONString(append(b, `{"entity_type":`...), entityType.Name)
	return appendEntityID(append(b, `,"entity_id":`...), entityType, key)
}

// appendEntityID writes how an answer names an entity: by the value of the only join key or, for several, by the text that names it
// in a path.
func appendEntityID(b []byte, entityType *registry.EntityType, key Key) []byte {
	if len(key.Values) == 1 {
		return value.AppendJSON(b, key.Values[0])
	}
	return value.AppendJSONString(b, KeyPath(entityType, key))
}

// KeyPath is the path segment that names an entity: what ParseKey reads.
func KeyPath(entityType *registry.EntityType, key Key) string {
	path := ""
	for i, v := range key.Values {
		text := url.PathEscape(string(value.AppendText(nil, v)))
		if len(key.Values) == 1 {
			return text
		}
		if i > 0 {
			path += ","
		}
		path += entityType.JoinKeys[i].Name + "=" + text
	}
	return path
}

// append writes three objects: the values, statuses and event times of the features of one entity, each under its name.
func (p *plan) append(b []byte, cells []Cell) []byte {
	b = append(b, `,"features":{`...)
	for i := range cells {
		b = value.AppendJSON(p.appendName(b, i), cells[i].Value)
	}
	b = append(b, `},"statuses":{`...)
	for i := range cells {
		b = appendStatus(p.appendName(b, i), cells[i].Status)
	}
	b = append(b, `},"event_times":{`...)
	times := timeWriter{}
	for i := range cells {
		b = times.append(p.appendName(b, i), cells[i].EventTime)
	}
	return append(b, '}')
}

// appendName begins member i of an object whose brace is written.
func (p *plan) appendName(b []byte, i int) []byte {
	name := p.names[i]
	if i == 0 {
		name = name[1:]
	}
	return append(b, name...)
}

// appendKey begins member i of an object whose brace is written.
func appendKey(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(value.AppendJSONString(b, name), ':')
}
