package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// RunKind is the kind of the runs that compute a pipeline's ticks and publish them; their subject is the pipeline.
const RunKind = "pipeline"

// Request says what a run computes: the ticks of a range (both ends included), some ticks, or else what is due: see due. It is the
// run's parameters.
type Request struct {
	From   *Moment  `json:"from,omitempty"`
	To     *Moment  `json:"to,omitempty"`
	Ticks  []Moment `json:"ticks,omitempty"`
	Until  *Moment  `json:"until,omitempty"`  // of what is due: not later than this; nil: than now
	Latest bool     `json:"latest,omitempty"` // of what is due and was never published: the newest alone
	Engine string   `json:"engine,omitempty"` // "": as the definition says
}

// Moment is a time in µs, written as RFC 3339 in UTC.
type Moment int64

// MarshalJSON writes the time as a text.
func (m Moment) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Moment) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	at, err := value.ParseTime(written, nil)
	*m = Moment(at)
	return err
}

func (m Moment) String() string { return string(value.AppendTime(nil, int64(m))) }

func moments(ticks []int64) []Moment {
	all := make([]Moment, len(ticks))
	for i, tick := range ticks {
		all[i] = Moment(tick)
	}
	return all
}

// maxTicks is how many ticks one run computes at most.
const maxTicks = 100_000

// decision is which ticks a run computes, ascending.
type decision struct {
	ticks []int64
	late  []int64 // of them those that are published, and whose source has changed since

	// Of a plan whose source is a group, where all published ticks were looked at: the snapshot that showed what is late. Whoever decides closes it.
	events *store.Events
}

func (d *decision) close() error {
	if d.events == nil {
		return nil
	}
	return d.events.Close()
}

// skew is how far, in µs, the clock by which something was asked for may be ahead of this process's: schedules go by the database's, and a tick that has come by
// that one is computed, not left for the next time.
const skew = 5 * 60 * 1_000_000

// decide finds the ticks that a request is about. h is all that is known of the pipeline's ticks.
func (r *Runner) decide(ctx context.Context, plan *Plan, request *Request, h *history) (*decision, error) {
	if ticks, named, err := request.named(plan); named {
		return &decision{ticks: ticks}, err
	}
	until := r.Clock().UnixMicro()
	if request.Until != nil {
		until = min(int64(*request.Until), until+skew)
	}
	return r.due(ctx, plan, request, until, h)
}

// named are the ticks that a request names; named is false where it asks for what is due.
func (request *Request) named(plan *Plan) (ticks []int64, named bool, err error) {
	if request.From != nil && request.To != nil {
		ticks, err = between(plan, int64(*request.From), int64(*request.To))
		return ticks, true, err
	}
	for i, m := range request.Ticks {
		if !plan.Ticks.Is(int64(m)) {
			return nil, true, fault.New(fault.Unprocessable, "no-tick", "%s is no tick of the pipeline %s", m, plan.Name).
				At(fmt.Sprintf("ticks[%d]", i), m.String(), "is no tick%s", near(plan, int64(m)))
		}
		ticks = append(ticks, int64(m))
	}
	slices.Sort(ticks)
	return slices.Compact(ticks), len(ticks) > 0, nil
}

// near names the ticks beside a moment.
func near(plan *Plan, at int64) string {
	before, found := plan.Ticks.Before(at)
	after, more := plan.Ticks.After(at)
	if !found || !more {
		return ""
	}
	return fmt.Sprintf(": those beside it are %s and %s", Moment(before), Moment(after))
}

// between are the ticks of a range that somebody has asked for.
func between(plan *Plan, from, to int64) ([]int64, error) {
	ticks, whole := oldest(plan, from, to)
	if !whole {
		return nil, fault.New(fault.Unprocessable, "too-many-ticks", "the range has more than %d ticks: ask for parts of it, one after the other", maxTicks).
			At("query.to", Moment(to).String(), "is too far from %s", Moment(from))
	}
	return ticks, nil
}

// oldest are the ticks of a range, or, where they are more than one run computes, the first of them; then it is not whole.
func oldest(plan *Plan, from, to int64) (ticks []int64, whole bool) {
	for tick := range plan.Ticks.Between(from, to) {
		if len(ticks) == maxTicks {
			return ticks, false
		}
		ticks = append(ticks, tick)
	}
	return ticks, true
}

// due are the ticks up to a time that come after all that was ever published, or the newest alone; those that were published, and reverted since, or held
// back; and all published ones whose source has changed since within their windows.
func (r *Runner) due(ctx context.Context, plan *Plan, request *Request, until int64, h *history) (_ *decision, err error) {
	d, h := &decision{}, h.upTo(max(until, r.Clock().UnixMicro()))
	if newest, found := plan.Ticks.Last(until); found {
		d.ticks = []int64{newest}
		if _, last, is := h.ends(); is && !request.Latest {
			d.ticks, _ = oldest(plan, last+1, newest)
		}
	}
	again := slices.Clone(h.reverted)
	for tick, m := range h.missed {
		if m.state == TickHeld {
			again = append(again, tick)
		}
	}
	again = slices.DeleteFunc(again, func(tick int64) bool { return tick > until || !plan.Ticks.Is(tick) })
	d.ticks = without(together(d.ticks, again), h.ticks())
	d.ticks = d.ticks[:min(len(d.ticks), maxTicks)]        // the next run goes on
	if plan.Source.Group == nil || len(h.published) == 0 { // tables and files do not say what has come in
		return d, nil
	}
	if d.events, err = r.Values.Events(ctx, plan.Source.Group.Name); err != nil {
		return nil, err
	}
	from, err := computable(ctx, plan, d.events)
	if err == nil {
		d.late, err = late(ctx, plan, h.published, d.events)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.late = slices.DeleteFunc(d.late, func(tick int64) bool { return tick < from }) // they stay as they are: right, but for what came late
	d.ticks = together(d.ticks, d.late)
	return d, nil
}
