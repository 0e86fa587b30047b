package store

import (
	"context"
	"errors"
	"net/http"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store/packed"
)

// Written answers a write.
type Written struct {
	EventTimes []int64           // µs, one per observation
	Stored     map[string]string // names as sent → names of the features
	Registered []string          // features registered as drafts by this write
	Duplicates int               // observations of which nothing was stored, since they are in event groups and their ids were there already; before the commit -1 if there can be some
	Erased     int               // observations of which nothing was stored, since they are of erased entities
	Waiting    int               // observations of which a row, or all, went into quarantine
	Status     int               // of the answer: 200, or 202 where something waits in quarantine
	Online     string            // "written"; "pending": accepted, and brought online later; "none": event groups have no online copy

	Answer   []byte // of WriteOnce
	Replayed bool   // the request was stored before, and Answer is all that is known of it

	erased []bool // which observations; nil: none
	held   []held // what waits in quarantine
}

// Outcomes of the online half of a write.
const (
	OnlineWritten = "written"
	OnlinePending = "pending"
	OnlineNone    = "none"
)

const maxAttempts = 10 // of a write whose definitions change under it

// Write stores observations of one entity type, all or none, and answers after the offline store has committed them. Names that
// nobody registered become drafts.
func (s *Store) Write(ctx context.Context, entityType string, observations []Observation) (*Written, error) {
	return s.write(ctx, entityType, observations, nil)
}

// write is Write, or with once WriteOnce.
func (s *Store) write(ctx context.Context, entityType string, observations []Observation, once *Once) (*Written, error) {
	if len(observations) > s.config.MaxRows {
		return nil, fault.New(fault.TooLarge, "too-many-rows",
			"%d rows are more than the %d that one call may store: load them with POST /rows/{group}", len(observations), s.config.MaxRows).
			At("rows", "", "are too many")
	}
	catalog := s.definitions.Catalog()
	var registered []string
	for range maxAttempts {
		c, err := s.check(catalog, entityType, observations)
		if once != nil && (err != nil || len(c.unregistered)+len(c.widen) > 0) { // it may have been right, and is not to change anything twice
			if written, err := s.repeated(ctx, once); written != nil || err != nil {
				return written, err
			}
		}
		if err != nil {
			return nil, err
		}
		if err := c.sift(ctx, s); err != nil {
			return nil, err
		}
		if err := c.judge(s, observations); err != nil {
			return s.refuse(ctx, c, once, err)
		}
		if len(c.unregistered) > 0 {
			if catalog, err = s.definitions.RegisterUnregistered(ctx, entityType, c.unregistered); err != nil {
				return nil, err
			}
			for _, u := range c.unregistered { // another process may have registered it meanwhile, by more than its name
				if f, err := catalog.Resolve(entityType, u.Name); err == nil && f.Status == registry.Draft {
					registered = append(registered, f.Name)
				}
			}
			continue
		}
		if len(c.widen) > 0 {
			for _, feature := range c.widen {
				if catalog, err = s.definitions.Widen(ctx, feature); err != nil {
					return nil, err
				}
			}
			continue
		}
		if c.erasures == len(observations) && len(observations) > 0 {
			return s.writtenNothing(ctx, c, registered, once)
		}
		var request *KeyedRequest
		if once != nil {
			request = once.keyed(c.written(registered), c.kept(), s.config.IdempotencyRetention)
		}
		w, err := s.commit(ctx, c.kept(), c.entries(), request)
		if errors.Is(err, ErrKnown) {
			if written, err := s.repeated(ctx, once); written != nil || err != nil {
				return written, err
			}
			continue // the load that had the key has ended
		}
		if errors.Is(err, ErrUnchecked) {
			continue
		}
		if errors.Is(err, ErrOutdated) {
			if catalog, err = s.definitions.Refresh(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		written := c.written(registered)
		written.Online, written.Duplicates = w.online, c.duplicates()
		s.tell(c.told)
		if once != nil {
			request.Outcome = quoted(w.online)
			s.settleCounts(ctx, request, int64(len(observations)-written.Erased-written.Waiting-written.Duplicates), int64(written.Duplicates))
			written.Answer = request.answer()
		}
		return written, nil
	}
	return nil, fault.New(fault.Busy, "definitions-changing", "the definitions of %s kept changing while the values were being stored: try again", entityType)
}

// writtenNothing answers a write whose observations are all of erased entities. A key is not remembered for it: sent again it is answered
// in the same way.
func (s *Store) writtenNothing(ctx context.Context, c *checked, registered []string, once *Once) (*Written, error) {
	if once != nil {
		if written, err := s.repeated(ctx, once); written != nil || err != nil {
			return written, err
		}
	}
	written := c.written(registered)
	written.Stored, written.Online = map[string]string{}, OnlineNone
	if once != nil {
		written.Answer = once.Answer(nil, written)
	}
	return written, nil
}

// written is what is known of the answer: event times and all after the commit, before it value.NoTime for those that it gives.
func (c *checked) written(registered []string) *Written {
	w := &Written{Stored: c.stored, Registered: registered, Duplicates: c.duplicates(), Erased: c.erasures, Status: http.StatusOK, erased: c.erased}
	for i, start := range c.starts[:len(c.starts)-1] {
		w.EventTimes = append(w.EventTimes, c.eventTime(start, c.starts[i+1]))
	}
	c.describeHeld(w)
	return w
}

// write is one request on its way through a lane.
type write struct {
	rows    []*Rows
	entries []*Quarantined
	request *KeyedRequest // nil: it has no key
	online  string
	err     error
	done    chan struct{}
}

// commit hands rows, and those that go into quarantine, to a lane and waits until they are committed and, if possible, online.
func (s *Store) commit(ctx context.Context, rows []*Rows, entries []*Quarantined, request *KeyedRequest) (*write, error) {
	for _, r := range rows {
		if err := s.Prepare(ctx, r.Group); err != nil {
			return nil, err
		}
	}
	for i, e := range entries {
		if i > 0 && e.Group == entries[i-1].Group {
			continue
		}
		if err := s.Prepare(ctx, e.Group); err != nil {
			return nil, err
		}
	}
	w := &write{rows: rows, entries: entries, request: request, done: make(chan struct{})}
	if request != nil {
		s.flights.hold(request.Key)
	}
	select {
	case s.writes <- w:
	case <-s.stopped:
		s.letGo(w)
		return nil, fault.New(fault.Busy, "stopping", "the server is stopping; nothing was stored")
	case <-ctx.Done():
		s.letGo(w)
		return nil, ctx.Err()
	}
	select {
	case <-w.done:
		return w, w.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// commitTime is how long a commit, with its online half, may take before its callers are told that it is not to be counted on: a server
// that hangs answers nothing at all.
const commitTime = 15 * time.Second

const (
	maxGroupWrites = 512  // requests in one commit
	maxGroupRows   = 4096 // rows in one commit, as far as whole requests allow
)

// writeLane forms a group of whatever waits, commits it, writes it online, and lets the callers go.
func (s *Store) writeLane() {
	defer s.lanes.Done()
	for {
		select {
		case first := <-s.writes:
			s.writeGroup(s.gather(first))
		case <-s.stopped:
			for {
				select {
				case first := <-s.writes:
					s.writeGroup(s.gather(first))
				default:
					return
				}
			}
		}
	}
}

func (s *Store) gather(first *write) []*write {
	group, rows := []*write{first}, len(first.rows)+len(first.entries)
	for len(group) < maxGroupWrites && rows < maxGroupRows {
		select {
		case w := <-s.writes:
			group, rows = append(group, w), rows+len(w.rows)+len(w.entries)
		default:
			return group
		}
	}
	return group
}

// writeGroup commits the requests together; if that fails for what one of them holds, each alone, so that none fails its neighbours.
func (s *Store) writeGroup(group []*write) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTime) // the commit belongs to all of the callers
	defer cancel()
	combined := combine(group)
	fences := make([]int64, len(combined))
	for i, rows := range combined {
		fences[i] = s.fences.of(rows.Group)
	}
	err := s.append(ctx, combined, entriesOf(group), keyedOf(group))
	if errors.Is(err, ErrKnown) {
		if others := s.letKnownGo(group); len(others) > 0 {
			s.writeGroup(others)
		}
		return
	}
	if errors.Is(err, ErrUnchecked) {
		var others []*write
		if others, err = s.checkAgain(ctx, group); err == nil {
			if len(others) > 0 {
				s.writeGroup(others)
			}
			return
		}
	}
	if err != nil {
		_, faulty := fault.As(err)
		if len(group) > 1 && (faulty || errors.Is(err, ErrOutdated)) {
			for _, w := range group {
				s.writeGroup([]*write{w})
			}
			return
		}
		for _, w := range group {
			w.err = err
			if !errors.Is(err, ErrOutdated) {
				w.err = unavailable("append", err)
			}
			s.letGo(w)
		}
		return
	}
	spread(group, combined)
	online := map[int64]string{}
	for i, rows := range combined {
		if rows.Group.Kind == registry.Features {
			online[rows.Group.ID] = s.writeOnline(ctx, rows, fences[i])
		}
	}
	keyed := false
	for _, w := range group {
		w.online = OnlineNone
		for _, rows := range w.rows {
			if outcome := online[rows.Group.ID]; outcome != "" && w.online != OnlinePending {
				w.online = outcome
			}
		}
		if w.request == nil {
			close(w.done)
		} else {
			keyed = true
		}
	}
	if keyed {
		s.settle(ctx, group)
	}
}

// writeOnline brings committed rows online by compare-and-set. What it cannot do, materialization does.
func (s *Store) writeOnline(ctx context.Context, rows *Rows, fence int64) string {
	if !s.onlineUsable() {
		return OnlinePending
	}
	packedRows, unmarked := s.PackRows(rows), false
	for range maxAttempts {
		merged, err := s.online.Merge(ctx, rows.Group, fence, unmarked, packedRows)
		switch {
		case err != nil:
			s.onlineFailed("write "+rows.Group.Name, err)
			return OnlinePending
		case merged.Refused:
			// Something was taken back since the fence was read: what these rows hold may be among it.
			fence = merged.Fence
			s.fences.learn(rows.Group, fence)
			current, err := s.currentOf(ctx, rows.Group, rows.Keys)
			if err != nil {
				return OnlinePending
			}
			packedRows = s.PackCurrent(current)
		case merged.Unmarked:
			// The run that brings the copy back may have read the offline store before this commit. With these rows in it nevertheless,
			// the copy lacks nothing that was acknowledged when it gets its marker.
			unmarked = true
		case unmarked:
			return OnlinePending
		default:
			return OnlineWritten
		}
	}
	return OnlinePending
}

// currentOf reads entities' newest values from the offline store, whenever they are dated: as the online store holds them.
func (s *Store) currentOf(ctx context.Context, group *registry.Group, keys []Key) (*Current, error) {
	snapshot, groups, err := s.view(ctx, "read "+group.Name, []*registry.Group{group})
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	group = groups[0]
	times := make([]int64, len(keys))
	for i := range times {
		times[i] = lastTime
	}
	return snapshot.AsOf(ctx, group, group.Stored(), keys, times, nil)
}

// PackRows makes the online rows of single observations, each under its own stamp. One that observes none of the features is left out:
// those that it observed may have been deleted since.
func (s *Store) PackRows(rows *Rows) []PackedRow {
	ordinals := ordinalsOf(rows.Features)
	out := make([]PackedRow, 0, len(rows.Keys))
	var buffer []byte
	for i, key := range rows.Keys {
		if !rows.Observes(i) {
			continue
		}
		stamp := Stamp{EventTime: rows.EventTimes[i], IngestID: rows.IngestIDs[i]}
		buffer = packed.Append(buffer[:0], key.Encoded, ordinals, rows.Row(i), stamp)
		out = append(out, PackedRow{Key: key, Row: string(buffer), Expires: s.expiry(rows.Group, stamp.EventTime)})
	}
	return out
}

// PackCurrent makes the online rows of entities' newest values; an entity that has none is left out.
func (s *Store) PackCurrent(current *Current) []PackedRow {
	ordinals := ordinalsOf(current.Features)
	n := len(ordinals)
	out := make([]PackedRow, 0, len(current.Keys))
	var buffer []byte
	for i, key := range current.Keys {
		values, stamps := current.Values[i*n:(i+1)*n], current.Stamps[i*n:(i+1)*n]
		newest, found := int64(0), false
		for j, v := range values {
			if !v.IsAbsent() && (!found || stamps[j].EventTime > newest) {
				newest, found = stamps[j].EventTime, true
			}
		}
		if !found {
			continue
		}
		buffer = packed.AppendStamped(buffer[:0], key.Encoded, ordinals, values, stamps)
		out = append(out, PackedRow{Key: key, Row: string(buffer), Expires: s.expiry(current.Group, newest)})
	}
	return out
}

func ordinalsOf(features []*registry.Feature) []uint16 {
	ordinals := make([]uint16, len(features))
	for i, f := range features {
		ordinals[i] = f.Ordinal
	}
	return ordinals
}

// expiry is when the space of a row may be reclaimed, in ms.
func (s *Store) expiry(group *registry.Group, eventTime int64) int64 {
	if group.TTL == 0 {
		return 0
	}
	return max(1, eventTime/1000+group.TTL.Milliseconds()+s.config.ReclaimGrace.Milliseconds()+1)
}
