package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

// Feast's columns beside the join keys and the features. The time at which a row was made is not needed: of two observations of one
// time the one counts that was sent last.
const (
	feastTime    = "event_timestamp"
	feastCreated = "created"
)

// frame is a data frame on its way into a group: all of its rows, before any is stored. It stands where a load writes to.
type frame struct {
	from    *loading
	rows    []*Rows
	numbers [][]int64
}

func (f *frame) Add(_ context.Context, rows *Rows) error {
	f.rows, f.numbers = append(f.rows, rows), append(f.numbers, slices.Clone(f.from.judge.numbers))
	return nil
}

func (f *frame) Quarantine(context.Context, []*Quarantined) error { return nil }
func (f *frame) Commit(context.Context) error                     { return nil }
func (f *frame) CommitOnce(context.Context, *KeyedRequest) error  { return nil }
func (f *frame) Abort(context.Context) error                      { return nil }
func (f *frame) Duplicates() int64                                { return 0 }

// WriteFrame stores a data frame, given as JSON by columns, and answers after it is durable and, if possible, online. Nothing is stored
// while any row is bad or rules refuse it. Its client sends a frame again when it does not hear an answer, so a row that is there already
// counts as a duplicate and is not stored again: in a group of features if it would change no answer, in one of events if its id is known. If
// storing fails in the middle, the rows before are stored, and sending the frame again does the rest. Rows that go into quarantine do so each
// time: stored from there twice, they are one row by the same measure.
func (s *Store) WriteFrame(ctx context.Context, group *registry.Group, df string) (*Loaded, string, error) {
	if group.Kind == registry.Events && group.IDColumn == "" {
		return nil, "", fault.New(fault.Unprocessable, "no-id-column", "every row of the event group %s counts, and a client of Feast sends rows again "+
			"when a connection breaks: give the group an id_column, by which a repeated row is known", group.Name)
	}
	written := &Loaded{Group: group.Name}
	online, done := OnlineNone, 0
	for range maxAttempts {
		chunks, err := s.readFrame(ctx, group, df, written)
		if err != nil {
			return nil, "", err
		}
		said, err := s.judgeFrame(ctx, group, chunks)
		if err != nil {
			return nil, "", err
		}
		for _, chunk := range chunks[done:] {
			var outcome string
			if outcome, err = s.writeChunk(ctx, chunk, written); err != nil {
				break
			}
			if online != OnlinePending {
				online = outcome
			}
			done++
		}
		if err == nil {
			s.tell(said)
			written.Duplicate = written.Received - written.Stored - written.Quarantined - written.Erased
			return written, online, nil
		}
		if !errors.Is(err, ErrOutdated) {
			return nil, "", err
		}
		catalog, err := s.definitions.Refresh(ctx)
		if err != nil {
			return nil, "", err
		}
		name := group.Name
		if group, _ = catalog.GroupByID(group.ID); group == nil {
			return nil, "", catalog.UnknownGroup(name)
		}
	}
	return nil, "", fault.New(fault.Busy, "definitions-changing", "the definitions of %s kept changing while its rows were being stored: try again", group.Name)
}

// readFrame converts all rows of a frame and cuts them into what is committed at once, the same each time.
func (s *Store) readFrame(ctx context.Context, group *registry.Group, df string, written *Loaded) ([]*frameChunk, error) {
	source, format, err := table.NewReader(strings.NewReader(df), table.ReadOptions{ContentType: jsonType})
	if err != nil {
		return nil, err
	}
	batch, err := source.Next()
	if err != nil {
		return nil, err
	}
	if format != table.JSON {
		return nil, fault.New(fault.Invalid, "no-columns", `df is an object with a column for each name: {"df": {"customer_id": […], …}}`).At("body.df", "", "is no object of columns")
	}
	timeColumn := feastTime
	if !slices.Contains(batch.Columns, feastTime) {
		if timeColumn = eventTimeMember; !slices.Contains(batch.Columns, eventTimeMember) {
			return nil, fault.New(fault.Unprocessable, "missing-column", "df has no column %s: without their times, rows that are sent again could not be told from new ones", feastTime).
				At("body.df", "", "has no column %s", feastTime)
		}
	}
	into := &frame{}
	l := &loading{store: s, source: source, group: group, load: into, held: []*table.Batch{batch}, latest: s.now() + s.config.FutureTolerance.Microseconds(),
		request: LoadRequest{Group: group.Name, TimeColumn: timeColumn, Zone: time.UTC, Feast: true}}
	into.from = l
	if err := l.read(ctx, func() {}); err != nil {
		if problem, ok := fault.As(err); ok && problem.Slug == "bad-rows" {
			problem.Detail = fmt.Sprintf("nothing was stored: %d of %d rows are bad", l.loaded.Rejected, l.loaded.Received)
		}
		return nil, err
	}
	written.Received = l.loaded.Received
	return into.chunks(group), nil
}

// frameChunk is rows of a frame that are committed at once.
type frameChunk struct {
	*Rows
	numbers []int64        // of the rows in the frame
	entries []*Quarantined // of each row, if it breaks rules; nil: none does
}

// chunks cuts the rows for commits of maxGroupRows. Of several rows of an entity and time in a group of features the last one remains: all
// of them observe the same features, so it hides the others.
func (f *frame) chunks(group *registry.Group) []*frameChunk {
	type moment struct {
		key  string
		time int64
	}
	type place struct {
		rows *Rows
		i    int
	}
	last := map[moment]place{}
	if group.Kind == registry.Features {
		for _, rows := range f.rows {
			for i, key := range rows.Keys {
				last[moment{key.Encoded, rows.EventTimes[i]}] = place{rows, i}
			}
		}
	}
	var chunks []*frameChunk
	for n, rows := range f.rows {
		for i, key := range rows.Keys {
			if group.Kind == registry.Features && last[moment{key.Encoded, rows.EventTimes[i]}] != (place{rows, i}) {
				continue
			}
			if len(chunks) == 0 || len(chunks[len(chunks)-1].Keys) == maxGroupRows {
				chunks = append(chunks, &frameChunk{Rows: &Rows{Group: rows.Group, Features: rows.Features}})
			}
			c := chunks[len(chunks)-1]
			appendRow(c.Rows, rows, i)
			c.numbers = append(c.numbers, f.numbers[n][i])
		}
	}
	return chunks
}

// appendRow appends a row over the same features.
func appendRow(to, from *Rows, i int) {
	to.Keys = append(to.Keys, from.Keys[i])
	to.EventTimes = append(to.EventTimes, from.EventTimes[i])
	to.Values = append(to.Values, from.Row(i)...)
}

// writeChunk stores what is not there yet, counts what became of the rows, and answers what became of the online half.
func (s *Store) writeChunk(ctx context.Context, c *frameChunk, counts *Loaded) (online string, err error) {
	for range maxAttempts {
		online := OnlineNone
		erased, err := s.sift(c.Rows, func() (int64, error) { return s.offlineNow(ctx) })
		if err != nil {
			return "", err
		}
		rows, entries := c.split(erased)
		gone := len(c.Keys) - len(rows.Keys) - len(entries)
		if rows.Group.Kind == registry.Features && len(rows.Keys) > 0 {
			if rows, online, err = s.missing(ctx, rows); err != nil {
				return "", err
			}
		}
		if len(rows.Keys)+len(entries) > 0 {
			w, err := s.commit(ctx, nonEmpty(rows), entries, nil)
			if errors.Is(err, ErrUnchecked) {
				continue
			}
			if err != nil {
				return "", err
			}
			if len(rows.Keys) > 0 && online != OnlinePending {
				online = w.online
			}
		}
		counts.Stored += int64(len(rows.Keys) - rows.Duplicates())
		counts.Quarantined += int64(len(entries))
		counts.Erased += int64(gone)
		return online, nil
	}
	return "", fault.New(fault.Busy, "entities-being-erased", "entities of %s kept being erased while its rows were being stored: try again", c.Group.Name)
}

// nonEmpty is a commit's rows.
func nonEmpty(rows *Rows) []*Rows {
	if len(rows.Keys) == 0 {
		return nil
	}
	return []*Rows{rows}
}

// missing leaves out the rows that would change no answer: all that they observe stands in history with the same event time. Those are
// brought online again, since what stored them may have broken off before it did so.
func (s *Store) missing(ctx context.Context, rows *Rows) (missing *Rows, online string, err error) {
	if err := s.Prepare(ctx, rows.Group); err != nil {
		return nil, "", err
	}
	fence := s.fences.of(rows.Group)
	snapshot, groups, err := s.view(ctx, "read "+rows.Group.Name, []*registry.Group{rows.Group})
	if err != nil {
		return nil, "", err
	}
	defer snapshot.Close()
	if groups[0] != rows.Group {
		return nil, "", ErrOutdated
	}
	current, err := snapshot.AsOf(ctx, rows.Group, rows.Features, rows.Keys, rows.EventTimes, rows.EventTimes)
	if err != nil {
		return nil, "", unavailable("read "+rows.Group.Name, err)
	}
	missing = &Rows{Group: rows.Group, Features: rows.Features, Checked: rows.Checked}
	there := &Current{Group: rows.Group, Features: rows.Features}
	n := len(rows.Features)
	for i, key := range rows.Keys {
		values, stamps := current.Values[i*n:(i+1)*n], current.Stamps[i*n:(i+1)*n]
		if !holds(values, stamps, rows.Row(i), rows.EventTimes[i]) {
			appendRow(missing, rows, i)
			continue
		}
		there.Keys = append(there.Keys, key)
		there.Values, there.Stamps = append(there.Values, values...), append(there.Stamps, stamps...)
	}
	return missing, s.mergeAgain(ctx, there, fence), nil
}

// holds tells whether these values hold all that a row observes, as observations of its time.
func holds(values []value.Value, stamps []Stamp, row []value.Value, at int64) bool {
	for j, v := range row {
		if !v.IsAbsent() && (values[j] != v || stamps[j].EventTime != at) {
			return false
		}
	}
	return true
}

// mergeAgain brings values online that history has already. What it cannot do, materialization does.
func (s *Store) mergeAgain(ctx context.Context, current *Current, fence int64) string {
	packed := s.PackCurrent(current)
	if len(packed) == 0 {
		return OnlineWritten
	}
	if !s.onlineUsable() {
		return OnlinePending
	}
	merged, err := s.online.Merge(ctx, current.Group, fence, false, packed)
	if err != nil {
		s.onlineFailed("write "+current.Group.Name, err)
		return OnlinePending
	}
	if merged.Refused || merged.Unmarked {
		s.fences.learn(current.Group, merged.Fence)
		return OnlinePending
	}
	return OnlineWritten
}

// noTime is what Feast's clients send for a missing time beside others (NaT).
const noTime = math.MinInt64

// feastValue reads a value as Feast's clients send it: times are whole seconds since 1970, and JSON is text.
func feastValue(cell table.Cell, t value.Type, zone *time.Location) (value.Value, error) {
	switch t {
	case value.Timestamp:
		if v, err := cell.Value(value.Integer, nil); err == nil && v.Type() == value.Integer {
			if v.Int() == noTime {
				return value.Null(), nil
			}
			return timeOfSeconds(v.Int())
		}
	case value.TimestampArray:
		if v, err := cell.Value(value.IntegerArray, nil); err == nil && v.Type() == value.IntegerArray {
			times := make([]int64, 0, v.Len())
			for i, seconds := range v.Ints() {
				if seconds == noTime {
					return value.Value{}, fmt.Errorf("element %d is null: arrays hold no nulls", i+1)
				}
				at, err := timeOfSeconds(seconds)
				if err != nil {
					return at, err
				}
				times = append(times, at.Time())
			}
			return value.OfInts(value.TimestampArray, times), nil
		}
	case value.JSON:
		if v, err := cell.Value(value.String, nil); err == nil && v.Type() == value.String {
			return table.TextCell(v.Text()).Value(value.JSON, nil)
		}
	}
	return cell.Value(t, zone)
}

func timeOfSeconds(seconds int64) (value.Value, error) {
	const first, end = -62_135_596_800, 253_402_300_800 // the years 1 and 10000
	if seconds < first || seconds >= end {
		return value.Value{}, fmt.Errorf("%d seconds since 1970 are outside the years 1 to 9999", seconds)
	}
	return value.OfTime(seconds * 1_000_000), nil
}

// feastFrame reads {"<nameMember>": "…", "df": {…}}, whatever else it holds.
func feastFrame(text, nameMember string) (name, df string, err error) {
	scanner := jsonscan.New(text)
	err = scanner.Object(func(member string) (err error) {
		switch {
		case scanner.Kind() == jsonscan.Null:
		case member == nameMember:
			name, err = scanner.Text()
		case member == "df":
			df, err = scanner.Value()
		}
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return "", "", jsonscan.Fault(err)
	}
	if name == "" {
		return "", "", fault.New(fault.Invalid, "no-group", "name the group: {%q: …}", nameMember).At("body."+nameMember, "", "is missing or empty")
	}
	if df == "" {
		return "", "", fault.New(fault.Invalid, "no-columns", `give the rows by columns: {"df": {"customer_id": […], …}}`).At("body.df", "", "is missing")
	}
	return name, df, nil
}
