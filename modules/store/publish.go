package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
	"featurestore/modules/validation/rules"
)

// Publication is what a pipeline says of rows that it computed.
type Publication struct {
	Group   string  // a group of kind features
	Name    string  // of the pipeline
	Version int64   // of its definition
	Ticks   []int64 // µs, ascending: all that were computed, those too that have no row. A row's event time is one of them
	Partial bool    // the column "presence" lists the features that each row observes
	Source  Place   // of the snapshot that the rows were computed from; zero: they came from no group

	// Confirms says that the other ticks published under the name were looked at, and are right as of Source too.
	Confirms bool

	Fence Fence // nil: none

	// More says that further publications of the run follow: what is left to be judged of its rows is judged after the last. Unjudged says that those before
	// this one have stored such rows.
	More, Unjudged bool
}

// Fence is asked in the transaction that publishes, right before it commits; an error refuses it. tx asks in that transaction where it is one of
// PostgreSQL, and is nil elsewhere. A run's StillHeld is one.
type Fence func(ctx context.Context, tx Querier) error

// Querier and Row are forms, so that others can have the same without knowing these.
type Querier = interface {
	QueryRow(ctx context.Context, sql string, args ...any) Row
}

// Row is an answer of one row.
type Row = interface{ Scan(into ...any) error }

// Place says what a snapshot of a source group showed, so that it can be told later what has come in, and was taken back, since.
type Place struct {
	Store   string `json:"store"`          // the offline store's identity
	Group   int64  `json:"group"`          // the group's id
	Head    int64  `json:"head"`           // as in Known
	Open    []Span `json:"open,omitempty"` // as in Known
	Removal int64  `json:"removal"`        // the group's last removal
}

// PublishedTick is the latest publication of a tick.
type PublishedTick struct {
	Tick    int64 // µs
	Run     int64 // that published it
	Version int64 // of the pipeline's definition
	Rows    int64 // that the tick has by it: those stored, and those that were there already
	Source  Place // zero: no group
	At      int64 // µs of the store's clock
}

// Published says what became of a publication: Received = Stored + Duplicate + Rejected + Quarantined + Erased, where duplicates are rows that earlier
// publications of the ticks had brought and that say the same.
type Published struct {
	Loaded
	TakenBack int64 `json:"taken_back" doc:"Rows that earlier publications of the ticks had brought and that this one does not have, or of which it has less"`
	Released  int64 `json:"released" doc:"Rows of earlier publications of the ticks that waited in quarantine and do not any more"`
}

// Publish stores what a pipeline computed for some ticks as their one answer, all of it or, after an error or a crash, nothing, in flat memory, and has the online copy
// follow. The rows are loaded as those of a table are, under the run's id; none may be bad. Enabled rules of the group judge them before anything is
// stored: row rules, and those about what was loaded last. Where one with action reject_batch fails, nothing changes. What earlier publications under the
// name have brought at the ticks, and what becomes of it, stands at Publications. rows may be nil where there are none.
func (s *Store) Publish(ctx context.Context, run int64, p Publication, rows table.Reader) (*Published, error) {
	group, err := groupOf(s.definitions.Catalog(), p.Group)
	if err != nil {
		return nil, err
	}
	if err := p.check(group); err != nil {
		return nil, err
	}
	if rows == nil {
		rows = noRows{}
	}
	l := s.newLoading(group, LoadRequest{Group: group.Name, Presence: p.Partial}, rows)
	l.loaded.Run = run
	l.publishing = s.newPublishing(ctx, l, p)
	err = l.run(ctx)
	l.loaded.Ignored = append([]string{}, rows.Ignored()...)
	published := &Published{}
	if err == nil {
		taken := l.publishing.what.TakenBack
		published.TakenBack, published.Released = taken.Rows, taken.Quarantined
	}
	l.publishing.follow(ctx, err)
	l.publishing.tell(ctx, err)
	s.counts.published(group.Name, published, l, err)
	published.Loaded = l.loaded
	return published, err
}

// check finds a publication that makes no sense.
func (p *Publication) check(group *registry.Group) error {
	switch {
	case group.Kind != registry.Features:
		return fault.New(fault.Unprocessable, "not-publishable", "%s is a group of events: a pipeline publishes to a group of features", group.Name)
	case p.Name == "":
		return errors.New("a publication has no name")
	case !slices.IsSorted(p.Ticks) || len(slices.Compact(slices.Clone(p.Ticks))) != len(p.Ticks):
		return errors.New("the ticks of a publication do not ascend")
	}
	return nil
}

// noRows is an empty table.
type noRows struct{}

func (noRows) Next() (*table.Batch, error) { return nil, io.EOF }
func (noRows) Ignored() []string           { return nil }

// publishing is what a load does that is a publication.
type publishing struct {
	*loading
	of       Publication
	what     *Publishing
	removing bool // rows are being taken back
	refused  bool // by a rule that judges it as a whole

	audit    *rules.Run // nil: no rule judges the publication as a whole
	columns  []int      // where the rules' fields stand in rows,
	features []*registry.Feature
}

func (s *Store) newPublishing(ctx context.Context, l *loading, of Publication) *publishing {
	p := &publishing{loading: l, of: of}
	p.what = &Publishing{Name: of.Name, Version: of.Version, Ticks: of.Ticks, Source: of.Source, Confirms: of.Confirms, Fence: of.Fence, Rows: map[int64]int64{},
		Removing: func() {
			p.removing = true
			s.owed.begin(l.group)
		}}
	p.begin(ctx)
	return p
}

// count counts rows that were handed on.
func (p *publishing) count(rows *Rows) {
	for i, n := 0, 0; i < len(rows.EventTimes); i = n {
		for n = i; n < len(rows.EventTimes) && rows.EventTimes[n] == rows.EventTimes[i]; n++ {
		}
		p.what.Rows[rows.EventTimes[i]] += int64(n - i)
	}
}

// ticked makes sure that rows are of the ticks: others are a defect of what computed them.
func (p *publishing) ticked(rows *Rows) error {
	last := int64(value.NoTime)
	for i, at := range rows.EventTimes {
		if at == last && i > 0 {
			continue
		}
		if _, found := slices.BinarySearch(p.of.Ticks, at); !found {
			return fmt.Errorf("the pipeline %s computed a row of %s, which is none of the ticks that it was to compute", p.of.Name, value.AppendTime(nil, at))
		}
		last = at
	}
	return nil
}

// follow has the online copy follow, after what was committed or after an error.
func (p *publishing) follow(ctx context.Context, err error) {
	s, group := p.store, p.group
	if p.removing && err != nil {
		s.owed.postpone(group) // it may have been done nevertheless
		return
	}
	if p.removing {
		s.takeBackNow(ctx, group)
	}
	if err == nil && (p.removing || p.loaded.Stored > 0) {
		p.bringOnline(ctx)
	}
}

// PublishedTicks are the latest publications of a group's ticks under the name of a pipeline, in their order.
func (s *Store) PublishedTicks(ctx context.Context, group, name string, from, to *int64) ([]PublishedTick, error) {
	found, err := groupOf(s.definitions.Catalog(), group)
	if err != nil {
		return nil, err
	}
	ticks, err := s.offline.Published(ctx, found, name, TickRange{From: from, To: to})
	return ticks, unavailable("read what "+name+" published", err)
}
