package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store/table"
)

// LoadRequest says how a table becomes observations of a group.
type LoadRequest struct {
	Group      string
	TimeColumn string         // "": event_time, else event_timestamp, else every row is dated now
	Zone       *time.Location // of times without an offset; nil refuses them
	SkipNulls  bool           // a null cell was not observed, instead of observed as null
	Presence   bool           // the column "presence" lists the features that each row observed
	SkipBad    bool           // bad rows are left out, instead of refusing the load
	File       string         // what the table is called where it came from; "" if that is not known
	Feast      bool           // values are as Feast sends them: see feastValue; its column "created" is left out

	// Create opens the source again from its beginning. With it, columns that nobody registered become drafts, after all rows have been looked
	// at: a load that is refused, or of which no row is good, registers nothing. nil: such columns are refused.
	Create func() (table.Reader, error)

	once *keyedLoad // nil: it has no key
}

// Loaded says what became of a load: Received = Stored + Duplicate + Rejected + Quarantined + Erased (rule 13). It is the result of
// the load's run.
type Loaded struct {
	Group       string           `json:"group"`
	Run         int64            `json:"run_id" doc:"The run that stands in the rows"`
	Received    int64            `json:"received" doc:"stored + duplicate + rejected + quarantined + erased"`
	Stored      int64            `json:"stored"`
	Duplicate   int64            `json:"duplicate"`
	Rejected    int64            `json:"rejected"`
	Quarantined int64            `json:"quarantined"`
	Erased      int64            `json:"erased"`
	Nulls       map[string]int64 `json:"nulls" doc:"How many observed nulls each feature has"`
	Ignored     []string         `json:"ignored_columns" doc:"Columns left out: a data frame's index"`
	Registered  []string         `json:"registered" doc:"Features registered as drafts, for unknown columns"`
	Bad         []table.BadRow   `json:"bad_rows" doc:"The first of the bad rows"`
	Entries     []string         `json:"quarantine_ids,omitempty" doc:"The first entries in quarantine"`
	Publication int64            `json:"publication_run_id,omitempty" doc:"The run that brings the rows online; none where there is nothing to bring"`
	Validation  int64            `json:"validation_run_id,omitempty" doc:"The run that judges what is left to judge of the load; none where there is nothing"`
}

// refusedLoad is the result of the run of a load that was refused.
type refusedLoad struct {
	Bad []table.BadRow `json:"bad_rows"`
}

// Load brings a table of any size into one group, in flat memory: all of it or, after an error or a crash, nothing.
func (s *Store) Load(ctx context.Context, request LoadRequest, source table.Reader) (*Loaded, error) {
	l, err := s.beginLoad(ctx, request, source)
	if err != nil {
		return nil, err
	}
	err = l.finish()
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		err = fault.New(fault.Conflict, "run-cancelled", "the load was cancelled, as run %d: nothing was stored", l.loaded.Run)
	}
	return &l.loaded, err
}

// LoadLater begins a load that goes on after the call, until the store is stopped, and answers the id of its run. The source must not
// depend on the request; closed is called when it has been read.
func (s *Store) LoadLater(request LoadRequest, source table.Reader, closed func()) (run int64, err error) {
	l, err := s.beginLoad(s.background, request, source)
	if err != nil {
		return 0, err
	}
	s.loads.Go(func() {
		defer closed()
		l.finish() //nolint:errcheck // the run has it
	})
	return l.loaded.Run, nil
}

func (s *Store) beginLoad(ctx context.Context, request LoadRequest, source table.Reader) (*loading, error) {
	group, err := groupOf(s.definitions.Catalog(), request.Group)
	if err != nil {
		return nil, err
	}
	l := s.newLoading(group, request, source)
	return l, l.begin(ctx)
}

func (s *Store) newLoading(group *registry.Group, request LoadRequest, source table.Reader) *loading {
	return &loading{store: s, request: request, source: source, group: group,
		latest: s.now() + s.config.FutureTolerance.Microseconds(),
		judge:  loadJudge{group: group}, loaded: Loaded{Group: group.Name, Nulls: map[string]int64{}, Registered: []string{}, Bad: []table.BadRow{}}}
}

// finish does the load, asks for its publication, and ends its run.
func (l *loading) finish() error {
	s, ctx, loaded := l.store, l.active.Context(), &l.loaded
	err := l.run(ctx)
	loaded.Ignored = append([]string{}, l.source.Ignored()...)
	if err == nil && loaded.Stored > 0 {
		l.bringOnline(ctx)
	}
	l.tell(ctx, err)
	var result any = loaded
	if err != nil {
		result = nil
		if bad := append(l.judge.refused, loaded.Bad...); len(bad) > 0 { // nobody may be waiting for the answer that lists them
			result = refusedLoad{bad}
		}
	}
	if err != nil && l.request.once != nil {
		l.giveUp(context.WithoutCancel(ctx))
	}
	if failed := l.active.Finish(context.WithoutCancel(ctx), result, err); failed != nil {
		s.log.Error("the end of a load could not be recorded", "run", loaded.Run, "error", failed)
	}
	return err
}

// bringOnline asks for the load's publication online, where there is an online copy.
func (l *loading) bringOnline(ctx context.Context) {
	s := l.store
	if s.publisher == nil || l.group.Kind != registry.Features {
		return
	}
	var failed error
	if l.loaded.Publication, failed = s.publisher.Publish(context.WithoutCancel(ctx), l.group); failed != nil {
		s.log.Warn("a load's publication could not be requested; the ticker brings it online", "group", l.group.Name, "error", failed)
	}
}

// loading is one load on its way.
type loading struct {
	store   *Store
	request LoadRequest
	source  table.Reader
	group   *registry.Group
	active  *runs.Active // nil: of a publication
	load    Load
	latest  int64
	loaded  Loaded

	columns  []string // bound so far
	keys     []int    // the columns of the join keys
	time     int
	presence int
	features []loadColumn // in ascending ordinal
	held     []*table.Batch
	planned  []registry.Unregistered // what will be registered if the rows are good, which are only looked at until then

	publishing *publishing // nil: it is no publication

	judge loadJudge
	clock int64 // µs: the offline store's before the load was opened, if its rows have no time and entities were erased before; otherwise 0
}

// loadColumn is a feature and the column that it comes from.
type loadColumn struct {
	feature *registry.Feature
	column  int
	nulls   int64
}

func (l *loading) begin(ctx context.Context) error {
	active, err := l.store.runs.Begin(ctx, loadKind, l.group.Name, l.store.placed(ctx, l.group.Name))
	if err != nil {
		return unavailable("begin a load", err)
	}
	l.active, l.loaded.Run = active, active.ID()
	if l.request.once == nil {
		return nil
	}
	if err = l.reserve(ctx); err != nil {
		if failed := active.Finish(context.WithoutCancel(ctx), nil, err); failed != nil {
			l.store.log.Error("the end of a load could not be recorded", "run", l.loaded.Run, "error", failed)
		}
	}
	return err
}

func (l *loading) run(ctx context.Context) error {
	err := l.rows(ctx)
	if err != nil {
		l.loaded.Stored = 0
	}
	if l.load != nil && err != nil {
		if abortErr := l.load.Abort(context.WithoutCancel(ctx)); abortErr != nil {
			l.store.log.Error("a load could not be taken back at once; the next start removes it", "run", l.loaded.Run, "error", abortErr)
		}
	}
	return err
}

func (l *loading) rows(ctx context.Context) error {
	progress := func() {
		if l.active == nil {
			return
		}
		received := "received"
		if len(l.planned) > 0 {
			received = "looked_at"
		}
		l.active.Progress(map[string]int64{received: l.loaded.Received, "rejected": l.loaded.Rejected})
	}
	err := l.read(ctx, progress)
	for err == nil && len(l.planned) > 0 && l.loaded.Stored+l.loaded.Quarantined > 0 { // again only where a draft was deleted meanwhile
		if err = l.register(ctx); err == nil {
			err = l.read(ctx, progress)
		}
	}
	if err == nil && l.load == nil && l.publishing != nil { // it publishes that there are none
		l.load, err = l.open(ctx)
	}
	if err != nil || l.load == nil && l.request.once == nil { // no row was good
		return err
	}
	for i := range l.features {
		if n := l.features[i].nulls; n > 0 {
			l.loaded.Nulls[l.features[i].feature.Name] = n
		}
	}
	if l.request.once != nil {
		return l.commitOnce(ctx)
	}
	if err := l.load.Commit(ctx); err != nil {
		return unavailable("commit a load", err)
	}
	l.countDuplicates()
	return nil
}

// read converts all rows and hands the good ones on; progress is called after each batch of them. A bad row is a fault, unless it may be
// left out.
func (l *loading) read(ctx context.Context, progress func()) error {
	for {
		batch, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(batch.Columns) == 0 { // none of its rows could be read
			l.loaded.Received += int64(len(batch.Bad))
			l.reject(batch.Bad)
			continue
		}
		if again, err := l.bind(ctx, batch); err != nil {
			return err
		} else if again {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.add(ctx, batch); err != nil {
			return err
		}
		progress()
	}
	if l.columns == nil && l.loaded.Received == 0 && l.publishing == nil {
		return fault.New(fault.Invalid, "empty-body", "the body is empty: send a table with the join keys %s and the group's features", keyForm(l.group.EntityType.JoinKeys)).
			At("body", "", "is empty")
	}
	if len(l.loaded.Bad) > 0 && !l.request.SkipBad {
		do := "mend them, or load the others with on_error=skip"
		if first := l.loaded.Bad[0]; l.publishing != nil { // whoever published sees no rows
			if do = first.Reason; first.Column != "" {
				do = first.Column + ": " + do
			}
		}
		problem := fault.New(fault.Unprocessable, "bad-rows", "nothing was stored: %d of %d rows are bad; %s", l.loaded.Rejected, l.loaded.Received, do)
		for _, b := range l.loaded.Bad {
			problem.At(rowPlace(b.Number, b.Column), b.Value, "%s", b.Reason)
		}
		return problem
	}
	return l.conclude()
}

func (l *loading) bad(number int64, column, shown, reason string) {
	l.loaded.Rejected++
	if len(l.loaded.Bad) < l.store.config.LoadErrors {
		l.loaded.Bad = append(l.loaded.Bad, table.BadRow{Number: number, Column: column, Value: shown, Reason: reason})
	}
}

// reject notes rows that could not be read.
func (l *loading) reject(unread []table.BadRow) {
	for _, b := range unread {
		l.bad(b.Number, b.Column, b.Value, b.Reason)
	}
}

// add converts a batch and hands its good rows on. Once a row is bad that refuses the load, the rest is only looked at.
func (l *loading) add(ctx context.Context, batch *table.Batch) error {
	l.loaded.Received += int64(batch.Rows + len(batch.Bad))
	n := len(l.features)
	features := make([]*registry.Feature, n)
	for i, c := range l.features {
		features[i] = c.feature
	}
	rows := &Rows{Group: l.group, Features: features, Run: l.loaded.Run,
		Keys: make([]Key, 0, batch.Rows), EventTimes: make([]int64, 0, batch.Rows), Values: make([]value.Value, 0, batch.Rows*n)}
	keys := make([]value.Value, 0, batch.Rows*len(l.keys))
	l.judge.numbers = l.judge.numbers[:0]
	unread := batch.Bad
	for r := range batch.Rows {
		n := 0
		for n < len(unread) && unread[n].Number < batch.Number(r) {
			n++
		}
		l.reject(unread[:n])
		unread = unread[n:]
		keys = l.row(rows, keys, batch, r)
	}
	l.reject(unread)
	if len(rows.Keys) == 0 || len(l.loaded.Bad) > 0 && !l.request.SkipBad {
		return nil
	}
	return l.hand(ctx, rows)
}

func (l *loading) open(ctx context.Context) (Load, error) {
	err := l.store.Prepare(ctx, l.group)
	var load Load
	switch {
	case err != nil:
	case l.publishing != nil:
		load, err = l.store.offline.Publish(ctx, l.group, l.loaded.Run, l.publishing.what)
	default:
		load, err = l.store.offline.Load(ctx, l.group, l.loaded.Run)
	}
	if errors.Is(err, ErrOutdated) {
		if _, err = l.store.definitions.Refresh(ctx); err == nil {
			err = fault.New(fault.Busy, "definitions-changing", "the group %s was changed while the load began: send it again", l.group.Name)
		}
	}
	return load, unavailable("begin a load", err)
}

// row converts one row; a bad one is noted and leaves rows as they were.
func (l *loading) row(rows *Rows, keys []value.Value, batch *table.Batch, r int) []value.Value {
	cells, number := batch.Row(r), batch.Number(r)
	keysBefore, valuesBefore := len(keys), len(rows.Values)
	bad := func(column int, reason string) []value.Value {
		l.bad(number, l.columns[column], cells[column].Display(), reason)
		rows.Values = rows.Values[:valuesBefore]
		return keys[:keysBefore]
	}
	for i, column := range l.keys {
		v, err := keyValue(l.group.EntityType.JoinKeys[i], cells[column])
		if err != nil {
			return bad(column, err.Error())
		}
		keys = append(keys, v)
	}
	at := int64(value.NoTime)
	if l.time >= 0 {
		t, err := cells[l.time].Value(value.Timestamp, l.request.Zone)
		switch {
		case err != nil:
			return bad(l.time, err.Error())
		case t.IsAbsent() || t.IsNull():
			return bad(l.time, "every row needs a time")
		case t.Time() > l.latest:
			return bad(l.time, "is more than "+l.store.config.FutureTolerance.String()+" in the future")
		}
		at = t.Time()
	}
	observed := 0
	present := l.presentIn(cells)
	for i := range l.features {
		c := &l.features[i]
		v, err := l.value(cells[c.column], c.feature.ValueType)
		if err != nil {
			return bad(c.column, err.Error())
		}
		if v.IsNull() && (l.request.SkipNulls || present != nil && !slices.ContainsFunc(present, c.feature.Called)) {
			v = value.Value{}
		}
		if !v.IsAbsent() {
			observed++
		}
		rows.Values = append(rows.Values, v)
	}
	if observed == 0 {
		l.bad(number, l.columns[l.keys[0]], "", "the row observes no feature") // the run's result shows no entity
		rows.Values = rows.Values[:valuesBefore]
		return keys[:keysBefore]
	}
	if err := checkID(l.group, rows.Features, rows.Values[valuesBefore:]); err != nil {
		return bad(l.columnOf(l.group.IDColumn), err.Error())
	}
	rows.Keys = append(rows.Keys, NewKey(keys[keysBefore:len(keys):len(keys)]))
	rows.EventTimes = append(rows.EventTimes, at)
	l.judge.numbers = append(l.judge.numbers, number)
	return keys
}

func (l *loading) value(cell table.Cell, t value.Type) (value.Value, error) {
	if l.request.Feast {
		return feastValue(cell, t, l.request.Zone)
	}
	return cell.Value(t, l.request.Zone)
}
