package storetest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// sentCall is a call that is remembered under its key.
type sentCall struct {
	call, body string
	headers    []string
	answer     httpapitest.Answer
}

// step is one thing that happens.
func (r *ruled) step() {
	switch rapid.IntRange(0, 10).Draw(r.T, "step") {
	case 0, 1, 2:
		r.writeOne()
	case 3, 4:
		r.writeMany()
	case 5, 6:
		r.load()
	case 7:
		r.push()
	case 8, 9:
		r.erase()
	case 10:
		r.repeat()
	}
}

func (r *ruled) drawEntity() string {
	return rapid.SampledFrom([]string{"e0", "e1", "e2"}).Draw(r.T, "entity")
}

// drawTime is a time up to the clock's; each is drawn once, so that a row can be told by its time.
func (r *ruled) drawTime() int64 {
	r.moments++
	return r.world.Now().UnixMicro() - rapid.SampledFrom([]int64{0, 60, 7200, 7200}).Draw(r.T, "before")*second - r.moments
}

// drawRow is a row of the group of features, that observes something.
func (r *ruled) drawRow(entity string, at int64, whole bool) modelRow {
	row := modelRow{group: r.features(), entity: entity, at: at}
	number := func(name string) *cell {
		switch n := rapid.IntRange(-12, 12).Draw(r.T, name); {
		case n == -12 && !whole:
			return nil
		case n == -11:
			return &cell{null: true}
		default:
			return &cell{number: n}
		}
	}
	row.amount, row.quantity = number("amount"), number("quantity")
	if whole || row.amount == nil && row.quantity == nil || rapid.Bool().Draw(r.T, "labelled") {
		row.label = &cell{text: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(r.T, "label")}
	}
	return row
}

// drawEvent is a row of the group of events.
func (r *ruled) drawEvent(entity string, at int64) modelRow {
	return modelRow{group: r.events(), entity: entity, at: at, id: fmt.Sprint("id", rapid.IntRange(0, 9).Draw(r.T, "id")),
		quantity: &cell{number: rapid.IntRange(0, 12).Draw(r.T, "total")}}
}

// drawObservation is the rows of one observation.
func (r *ruled) drawObservation(n int) []modelRow {
	entity, at := r.drawEntity(), r.drawTime()
	var rows []modelRow
	which := rapid.IntRange(0, 3).Draw(r.T, "groups")
	if which < 3 {
		rows = append(rows, r.drawRow(entity, at, false))
	}
	if which > 1 {
		rows = append(rows, r.drawEvent(entity, at))
	}
	for i := range rows {
		rows[i].observation = n
	}
	return rows
}

// members are what a row observes, as JSON by name behind a prefix.
func (row *modelRow) members(prefix string) map[string]any {
	all := map[string]any{}
	put := func(name string, c *cell, v any) {
		switch {
		case c == nil:
		case c.null:
			all[prefix+name] = nil
		default:
			all[prefix+name] = v
		}
	}
	if row.id != "" {
		all[prefix+"event_id"] = row.id
		all[prefix+"total"] = row.quantity.number
		return all
	}
	if row.amount != nil {
		put("amount", row.amount, row.amount.number)
	}
	if row.quantity != nil {
		put("quantity", row.quantity, row.quantity.number)
	}
	if row.label != nil {
		put("label", row.label, row.label.text)
	}
	if row.unreadable {
		all[prefix+"amount"] = "much"
	}
	return all
}

func timeText(at int64) string { return string(value.AppendTime(nil, at)) }

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// drawKey is the header of a key, or none.
func (r *ruled) drawKey() []string {
	if !rapid.Bool().Draw(r.T, "keyed") {
		return nil
	}
	r.keys++
	return []string{fmt.Sprintf("Idempotency-Key: ruled-%d-%d", r.number, r.keys)}
}

// send sends a call, which is remembered if it has a key and stored something or put it into quarantine; sometimes it is sent twice then.
func (r *ruled) send(call, body string, headers []string, v verdict) httpapitest.Answer {
	answer := r.server.Call(r.world.TB, call, body, headers...)
	if v.refused {
		require.Equal(r, 422, answer.Status, answer.Body)
		require.Contains(r, answer.Body, "rule-violated")
		return answer
	}
	require.Equal(r, 2, answer.Status/100, answer.Body)
	keyed := slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Idempotency-Key") })
	if keyed && len(v.kept)+len(v.held) > 0 {
		r.sent = append(r.sent, sentCall{call, body, headers, answer})
		if rapid.Bool().Draw(r.T, "twice") {
			r.again(r.sent[len(r.sent)-1])
		}
	}
	return answer
}

// repeat sends an earlier call with a key once more.
func (r *ruled) repeat() {
	if len(r.sent) > 0 {
		r.again(rapid.SampledFrom(r.sent).Draw(r.T, "repeated"))
	}
}

var onlineMember = regexp.MustCompile(`"online":"[a-z]*"`)

// again wants the answer that the call was given, whatever has become of its rows.
func (r *ruled) again(c sentCall) {
	answer := r.server.Call(r.world.TB, c.call, c.body, c.headers...)
	require.Equal(r, c.answer.Status, answer.Status, answer.Body)
	require.Equal(r, "true", answer.Header.Get("Idempotency-Replayed"))
	require.Equal(r, onlineMember.ReplaceAllString(c.answer.Body, ""), onlineMember.ReplaceAllString(answer.Body, ""))
}

// writeOne stores an observation.
func (r *ruled) writeOne() {
	rows := r.drawObservation(0)
	body := map[string]any{}
	for i := range rows {
		for name, v := range rows[i].members(rows[i].group + ":") {
			body[name] = v
		}
	}
	v := r.judge(rows)
	call := fmt.Sprintf("POST /store/%s/%s?event_time=%s", r.entityType(), rows[0].entity, timeText(rows[0].at))
	answer := r.send(call, text(body), r.drawKey(), v)
	r.tell(v.toldOfCall())
	if v.refused {
		return
	}
	duplicates, _ := r.store(v)
	var said struct {
		Stored      map[string]string `json:"stored"`
		Erased      bool              `json:"erased"`
		Duplicate   bool              `json:"duplicate"`
		Quarantined []struct {
			ID, Group string
			Broken    []struct{ Rule string }
		} `json:"quarantined"`
	}
	require.NoError(r, json.Unmarshal([]byte(answer.Body), &said))
	require.Equal(r, map[bool]int{false: 200, true: 202}[len(v.held) > 0], answer.Status)
	require.Len(r, said.Quarantined, len(v.held))
	for i, q := range said.Quarantined {
		require.NotEmpty(r, q.ID)
		require.Equal(r, v.held[i].group, q.Group)
		require.NotEmpty(r, q.Broken)
	}
	require.Equal(r, len(v.erased) > 0, said.Erased)
	stored := map[string]string{}
	for i := range v.kept {
		for name := range v.kept[i].members("") {
			stored[v.kept[i].group+":"+name] = name
		}
	}
	require.Equal(r, stored, said.Stored)
	require.Equal(r, duplicates[0] && len(v.held) == 0, said.Duplicate)
	r.count(store.Loaded{Received: 1, Stored: one(len(v.held)+len(v.erased) == 0 && !duplicates[0]), Duplicate: one(said.Duplicate), Quarantined: one(len(v.held) > 0), Erased: one(said.Erased)})
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// count adds up what calls answered: received is what the others come to, always.
func (r *ruled) count(l store.Loaded) {
	require.Equal(r, l.Received, l.Stored+l.Duplicate+l.Rejected+l.Quarantined+l.Erased)
	r.total.Received += l.Received
	r.total.Stored += l.Stored
	r.total.Duplicate += l.Duplicate
	r.total.Rejected += l.Rejected
	r.total.Quarantined += l.Quarantined
	r.total.Erased += l.Erased
}

// counts reads the counts of an answer.
func (r *ruled) counts(answer httpapitest.Answer) store.Loaded {
	var said store.Loaded
	require.NoError(r, json.Unmarshal([]byte(answer.Body), &said), answer.Body)
	return store.Loaded{Received: said.Received, Stored: said.Stored, Duplicate: said.Duplicate, Rejected: said.Rejected, Quarantined: said.Quarantined, Erased: said.Erased}
}

// writeMany stores several observations in one call.
func (r *ruled) writeMany() {
	var rows []modelRow
	var sent []any
	n := rapid.IntRange(1, 6).Draw(r.T, "observations")
	for i := range n {
		of := r.drawObservation(i)
		features := map[string]any{}
		for k := range of {
			for name, v := range of[k].members(of[k].group + ":") {
				features[name] = v
			}
		}
		sent = append(sent, map[string]any{"entity_id": of[0].entity, "event_time": timeText(of[0].at), "features": features})
		rows = append(rows, of...)
	}
	v := r.judge(rows)
	answer := r.send("POST /store/"+r.entityType(), text(map[string]any{"rows": sent}), r.drawKey(), v)
	r.tell(v.toldOfCall())
	if v.refused {
		return
	}
	duplicates, _ := r.store(v)
	wanted, held, erased := store.Loaded{Received: int64(n)}, map[int]bool{}, map[int]bool{}
	for _, row := range v.held {
		held[row.observation] = true
	}
	for _, row := range v.erased {
		erased[row.observation] = true
	}
	for i := range n {
		switch {
		case erased[i]:
			wanted.Erased++
		case held[i]:
			wanted.Quarantined++
		case duplicates[i]:
			wanted.Duplicate++
		default:
			wanted.Stored++
		}
	}
	require.Equal(r, wanted, r.counts(answer))
	require.Equal(r, map[bool]int{false: 200, true: 202}[len(v.held) > 0], answer.Status)
	r.count(wanted)
}

// load loads rows of one group, some of which cannot be read.
func (r *ruled) load() {
	skip := rapid.Bool().Draw(r.T, "skip")
	events := rapid.Bool().Draw(r.T, "events")
	var rows []modelRow
	rejected := 0
	ids := map[string]bool{} // of two rows of one load with the same id, either may be the one that is stored
	var lines strings.Builder
	for i := range rapid.IntRange(1, 8).Draw(r.T, "rows") {
		entity, at := r.drawEntity(), r.drawTime()
		var row modelRow
		if events {
			row = r.drawEvent(entity, at)
			if ids[row.id] {
				row.id += fmt.Sprint(" ", r.moments)
			}
			ids[row.id] = true
		} else {
			row = r.drawRow(entity, at, false)
			row.unreadable = rapid.IntRange(0, 5).Draw(r.T, "readable") == 0
		}
		row.observation = i
		members := row.members("")
		members["id"], members["event_time"] = entity, timeText(at)
		lines.WriteString(text(members) + "\n")
		if row.unreadable {
			rejected++
		} else {
			rows = append(rows, row)
		}
	}
	name, query := r.features(), "?wait=0s"
	if events {
		name = r.events()
	}
	if skip {
		query += "&on_error=skip"
	}
	headers := append(r.drawKey(), "Content-Type: application/x-ndjson")
	if rejected > 0 && !skip {
		answer := r.server.Call(r.world.TB, "POST /rows/"+name+query, lines.String(), headers...)
		require.Equal(r, 422, answer.Status, answer.Body)
		require.Contains(r, answer.Body, "bad-rows")
		return
	}
	v := r.judge(rows)
	answer := r.send("POST /rows/"+name+query, lines.String(), headers, v)
	r.tell(v.told)
	if v.refused {
		return
	}
	_, stored := r.store(v)
	wanted := store.Loaded{Received: int64(len(rows) + rejected), Stored: int64(stored), Duplicate: int64(len(v.kept) - stored), Rejected: int64(rejected),
		Quarantined: int64(len(v.held)), Erased: int64(len(v.erased))}
	require.Equal(r, wanted, r.counts(answer))
	r.count(wanted)
}

// push stores a frame as Feast's clients do, sometimes twice: what is stored already is not stored again, and what is bad waits twice.
func (r *ruled) push() {
	var rows []modelRow
	columns := map[string][]any{}
	for i := range rapid.IntRange(1, 5).Draw(r.T, "rows") {
		row := r.drawRow(r.drawEntity(), r.drawTime(), true)
		row.observation = i
		rows = append(rows, row)
		members := row.members("")
		members["id"], members["event_timestamp"] = row.entity, timeText(row.at)
		for _, name := range []string{"id", "event_timestamp", "amount", "quantity", "label"} {
			columns[name] = append(columns[name], members[name])
		}
	}
	v := r.judge(rows)
	body := text(map[string]any{"push_source_name": r.features(), "df": columns})
	headers := r.drawKey()
	answer := r.send("POST /push", body, headers, v)
	r.tell(v.toldOfCall())
	if v.refused {
		return
	}
	r.store(v)
	wanted := store.Loaded{Received: int64(len(rows)), Stored: int64(len(v.kept)), Quarantined: int64(len(v.held)), Erased: int64(len(v.erased))}
	require.Equal(r, wanted, r.counts(answer))
	r.count(wanted)
	if headers == nil && rapid.Bool().Draw(r.T, "again") {
		answer := r.send("POST /push", body, nil, v)
		r.tell(v.toldOfCall())
		r.held = append(r.held, v.held...)
		wanted.Stored, wanted.Duplicate = 0, wanted.Stored
		require.Equal(r, wanted, r.counts(answer))
		r.count(wanted)
	}
}
