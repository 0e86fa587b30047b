package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

type historyInput struct {
	EntityPath
	Features []string `query:"features" doc:"Which features; without it, all that are active or draft" example:"purchase_count_30d"`
	Window
	KnownAtQuery
	At        string `query:"at" doc:"Not the observations, but the values as they were at this time" example:"2026-01-31T12:00:00Z"`
	Limit     int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"Observations of the features on a page. Where tens of thousands that did not observe them lie between, a page has fewer, even none, and a next_page_token"`
	PageToken string `query:"page_token" doc:"From next_page_token of the page before"`
}

// historyAnswer documents GET /history/{entity_type}/{entity_id}.
type historyAnswer struct {
	EntityType   string `json:"entity_type"`
	EntityID     any    `json:"entity_id"`
	Observations []struct {
		Group      string         `json:"group"`
		EventTime  string         `json:"event_time"`
		IngestTime string         `json:"ingest_time"`
		Features   map[string]any `json:"features" doc:"What was observed, nulls too"`
	} `json:"observations" doc:"The newest first; corrections stand beside what they correct"`
	NextPageToken string             `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	At            string             `json:"at,omitempty" doc:"With at=, in place of observations: features, statuses and event_times as in /get"`
	Features      map[string]any     `json:"features,omitempty"`
	Statuses      map[string]string  `json:"statuses,omitempty"`
	EventTimes    map[string]*string `json:"event_times,omitempty"`
}

// history answers the observations of one entity, or its values as they were.
func (s *Store) history(ctx context.Context, in *historyInput) (*httpapi.Bytes, error) {
	zone, err := zoneOf(in.TimeZone)
	if err != nil {
		return nil, err
	}
	moment, err := in.moment(ctx, s, zone)
	if err != nil {
		return nil, err
	}
	catalog := s.catalogOf(moment)
	entityType, key, err := in.find(catalog)
	if err != nil {
		return nil, err
	}
	asked, err := chosen(catalog, entityType, in.Features, "", "query")
	if err != nil {
		return nil, err
	}
	if in.At != "" {
		return s.valuesAt(ctx, in, moment, entityType, key, asked)
	}
	request := HistoryRequest{Key: key, Features: featuresOf(asked), Moment: moment}
	if request.From, request.To, err = in.Window.read(); err != nil {
		return nil, err
	}
	found, next, err := s.historyPage(ctx, request, in.Limit, in.PageToken)
	if err != nil {
		return nil, err
	}
	b := appendEntity(make([]byte, 0, 256+128*len(found)), entityType, key)
	b = append(appendMember(b, "observations"), '[')
	for _, row := range found {
		b = append(appendObservation(b, row, asked), ',')
	}
	b = closed(b, ']')
	if next != "" {
		b = appendTextMember(b, "next_page_token", next)
	}
	return answered(append(b, '}')), nil
}

const (
	historyStep = 1000   // observations that are read at once, if not more are asked for, after those first read did not do
	historyRead = 50_000 // and no more for one page
)

// historyPage reads on until so many observations of the features are found. next is where the next page goes on; "": this is the last.
func (s *Store) historyPage(ctx context.Context, request HistoryRequest, limit int, token string) (found []observedRow, next string, err error) {
	for read, step := 0, limit; ; step = max(limit, historyStep) {
		page := historyPage{limit: limit - len(found), step: step}
		if err := page.begin(token, &request); err != nil {
			return nil, "", err
		}
		if err := s.History(ctx, request, page.add); err != nil {
			return nil, "", err
		}
		page.order()
		for _, row := range page.rows {
			if row.observes() {
				found = append(found, row)
			}
		}
		read, token = read+len(page.rows), page.next
		if token == "" || len(found) == limit || read >= historyRead {
			return found, token, nil
		}
	}
}

// valuesAt answers the values as they were at a time.
func (s *Store) valuesAt(ctx context.Context, in *historyInput, moment *Moment, entityType *registry.EntityType, key Key, asked []Requested) (*httpapi.Bytes, error) {
	if in.From != "" || in.To != "" || in.PageToken != "" {
		return nil, fault.New(fault.Invalid, "at-and-range", "at asks for values, from, to and page_token for observations: give one or the other").
			At("query.at", in.At, "is given beside from, to or page_token")
	}
	zone, err := zoneOf(in.TimeZone)
	if err != nil {
		return nil, err
	}
	at, err := timeOf("at", in.At, zone, 0)
	if err != nil {
		return nil, err
	}
	plan := newPlan(asked)
	read := plan.read(entityType, []Key{key})
	read.Moment = moment
	answer, err := s.At(ctx, read, at)
	if err != nil {
		return nil, err
	}
	b := appendEntity(make([]byte, 0, 128+128*len(asked)), entityType, key)
	b = appendTime(appendMember(b, "at"), at)
	return answered(append(plan.append(b, answer.Cells), '}')), nil
}

// observedRow is one row of a page.
type observedRow struct {
	rows *Rows
	i    int
	came int64 // µs, by which it stands among rows of other groups
}

func (o observedRow) eventTime() int64 { return o.rows.EventTimes[o.i] }

// observes tells whether the row observed any of the features that are asked for.
func (o observedRow) observes() bool { return o.rows.Observes(o.i) }

// historyPage collects a page of observations of several groups. A token says how far the page before went: to an event time, and over
// how many observations of that time; one that comes in meanwhile can show an observation twice, never hide one.
type historyPage struct {
	limit int   // of observations of the features
	step  int   // of all that are looked at
	time  int64 // the event time at which the page before ended
	skip  int   // how many observations of that time it had
	rows  []observedRow
	next  string
}

func (p *historyPage) begin(token string, request *HistoryRequest) error {
	if token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			_, err = fmt.Sscanf(string(text), "%d+%d", &p.time, &p.skip)
		}
		if err != nil || p.skip < 1 || p.skip > maxSkipped || p.time < firstTime || p.time > lastTime {
			return httpapi.InvalidPageToken(token, ", with the same parameters")
		}
		request.To = new(p.time + 1)
	}
	request.Limit = p.step + p.skip + 1
	return nil
}

func (p *historyPage) add(rows *Rows) error {
	for i := range rows.Keys {
		p.rows = append(p.rows, observedRow{rows: rows, i: i})
	}
	return nil
}

// What a page token can say.
const (
	maxSkipped = 1_000_000
	firstTime  = -62_135_596_800_000_000 // the year 1
	lastTime   = 253_402_300_799_999_999 // the year 9999
)

// order brings the observations of all groups in order and cuts the page out. Of one group and event time the one comes first that was
// ingested last, and counts (rule 1); its ingest time may be the earlier one, as a load has the time at which it began.
func (p *historyPage) order() {
	slices.SortFunc(p.rows, func(a, b observedRow) int {
		return cmp.Or(cmp.Compare(a.rows.Group.ID, b.rows.Group.ID), cmp.Compare(b.eventTime(), a.eventTime()), cmp.Compare(b.rows.IngestIDs[b.i], a.rows.IngestIDs[a.i]))
	})
	for i := range p.rows {
		row := &p.rows[i]
		row.came = row.rows.IngestTimes[row.i]
		if i > 0 && p.rows[i-1].rows.Group.ID == row.rows.Group.ID && p.rows[i-1].eventTime() == row.eventTime() {
			row.came = min(row.came, p.rows[i-1].came)
		}
	}
	slices.SortStableFunc(p.rows, func(a, b observedRow) int {
		return cmp.Or(cmp.Compare(b.eventTime(), a.eventTime()), cmp.Compare(b.came, a.came), cmp.Compare(a.rows.Group.ID, b.rows.Group.ID))
	})
	p.rows = p.rows[p.shown():]
	n := p.full()
	if n == len(p.rows) {
		return
	}
	p.rows = p.rows[:n]
	last, same := p.rows[n-1].eventTime(), 0
	for _, row := range p.rows {
		if row.eventTime() == last {
			same++
		}
	}
	if p.skip > 0 && last == p.time {
		same += p.skip
	}
	p.next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d+%d", last, same))
}

// full is how many of the rows come up to the page's last one.
func (p *historyPage) full() int {
	found := 0
	for i, row := range p.rows {
		if found == p.limit || i == p.step {
			return i
		}
		if row.observes() {
			found++
		}
	}
	return len(p.rows)
}

// shown is how many of the rows the pages before had.
func (p *historyPage) shown() int {
	n := 0
	for n < p.skip && n < len(p.rows) && p.rows[n].eventTime() == p.time {
		n++
	}
	return n
}

func appendObservation(b []byte, row observedRow, asked []Requested) []byte {
	rows := row.rows
	b = value.AppendJSONString(first(b, "group"), rows.Group.Name)
	b = appendTime(appendMember(b, "event_time"), row.eventTime())
	b = appendTime(appendMember(b, "ingest_time"), rows.IngestTimes[row.i])
	b = append(appendMember(b, "features"), '{')
	n, values := 0, rows.Row(row.i)
	for i := range asked {
		at := slices.IndexFunc(rows.Features, func(f *registry.Feature) bool { return same(f, asked[i].Feature) })
		if at < 0 || values[at].IsAbsent() {
			continue
		}
		v := values[at]
		if asked[i].Feature.ValueType == value.Float {
			v = v.AsFloat()
		}
		b = value.AppendJSON(appendKey(b, n, asked[i].Column), v)
		n++
	}
	return append(b, '}', '}')
}
