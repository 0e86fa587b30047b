package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"
)

// observationsShown is how many observations of an entity a page shows.
const observationsShown = "200"

// past is the history of one feature: a drawing of numbers, or the last values of anything else.
type past struct {
	Name   string
	Series *series
	Last   []pastValue // since when it was what, the newest first
}

type pastValue struct {
	Time  time.Time
	Value json.RawMessage
}

// pastShown is how many values are listed of a feature that cannot be drawn.
const pastShown = 6

// historyInto adds the observations, and of each feature how it went.
func (w *Web) historyInto(ctx context.Context, l *lookUp, heads map[string]featureHead) error {
	var found struct {
		Observations []observation `json:"observations"`
		Next         string        `json:"next_page_token"`
	}
	query := url.Values{"limit": {observationsShown}}
	if token := l.Get("page_token"); token != "" {
		query.Set("page_token", token)
	}
	if err := w.api.get(ctx, l.at("history"), query, &found); err != nil {
		return err
	}
	l.Observed = found.Observations
	if found.Next != "" {
		older := l.query()
		older.Set("page_token", found.Next)
		if when := l.Get("at"); when != "" {
			older.Set("at", when)
		}
		l.Older = "/admin/look-up?" + older.Encode()
	}
	for i := range l.Observed {
		o := &l.Observed[i]
		then := l.query()
		then.Set("at", o.EventTime.UTC().Format(time.RFC3339Nano))
		o.Link = "/admin/look-up?" + then.Encode()
	}
	l.Past = pastOf(l.Observed, heads)
	return nil
}

// pastOf sorts observations, which come the newest first, by feature. Of several of one event time the first counts, which is what was ingested last.
func pastOf(observed []observation, heads map[string]featureHead) []past {
	values := map[string][]pastValue{}
	for _, o := range observed {
		for name, value := range o.Features {
			if so := values[name]; len(so) == 0 || !so[len(so)-1].Time.Equal(o.EventTime) {
				values[name] = append(so, pastValue{o.EventTime, value})
			}
		}
	}
	var pasts []past
	for name, so := range values {
		p := past{Name: name, Series: drawn(name, heads[name].Unit, so)}
		if p.Series == nil {
			p.Last = changes(so)
			p.Last = p.Last[:min(len(p.Last), pastShown)]
		}
		pasts = append(pasts, p)
	}
	slices.SortFunc(pasts, func(a, b past) int { return cmp.Compare(a.Name, b.Name) })
	return pasts
}

// changes leaves out what only says again what was so before.
func changes(values []pastValue) []pastValue {
	var changed []pastValue
	for i, v := range values {
		if i+1 == len(values) || !bytes.Equal(v.Value, values[i+1].Value) {
			changed = append(changed, v)
		}
	}
	return changed
}

// drawn is a series of numbers, true counted as 1 and false as 0; nil if there are others, or fewer than two.
func drawn(name, unit string, values []pastValue) *series {
	s := series{Title: name, Unit: unit, Steps: true, Small: true, Lines: []line{{Name: name}}}
	numbers := 0
	for _, v := range slices.Backward(values) {
		var number *float64
		var flag *bool
		if json.Unmarshal(v.Value, &number) != nil {
			if json.Unmarshal(v.Value, &flag) != nil {
				return nil
			}
			number = new(0.0)
			if *flag {
				*number = 1
			}
		}
		if number != nil {
			numbers++
		}
		s.Times, s.Lines[0].Values = append(s.Times, v.Time), append(s.Lines[0].Values, number)
	}
	if numbers < 2 {
		return nil
	}
	return &s
}
