package materialization

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// CheckKind is the kind of the runs that compare the two copies of a group.
const CheckKind = "check"

// CheckRequest is what a check is asked to do.
type CheckRequest struct {
	Sample Sample `json:"sample"`
	Repair bool   `json:"repair,omitempty"`
}

// Checked is what a check found, so far or in all: Entities = Equal + Different + Missing + Extra.
type Checked struct {
	Sample      Sample `json:"sample"`
	Entities    int64  `json:"entities"`
	Equal       int64  `json:"equal"`
	Different   int64  `json:"different"`
	Missing     int64  `json:"missing"`      // history has them, online does not
	Extra       int64  `json:"extra"`        // online has them, history does not
	LookedAgain int64  `json:"looked_again"` // entities that differed at first, as those do that are being written to

	Repaired int64                    `json:"repaired"`          // of those that differ: set right, by a merge or the rebuild
	Rebuilt  string                   `json:"rebuilt,omitempty"` // why the group was rebuilt to repair it
	Examples []store.DifferenceAnswer `json:"examples"`
}

const (
	maxExamples   = 20
	checkEntities = 500 // looked up at once
	maxLooks      = 12  // at one entity
	lookPause     = 50 * time.Millisecond
)

// Check compares a group's online copy with its history. Event groups have no online copy; the caller refuses them.
//
// What differs at the first look is looked at again, as long as it takes to tell a difference from a write on its way: history, then
// everything in it is brought online, then the online row, then history again. Whatever is being written, the online row lies
// between the two, if the copies agree. What does not, twice in a row, is a difference.
func (m *Materialization) Check(ctx context.Context, group *registry.Group, request CheckRequest, report func(Checked)) (Checked, error) {
	for range attempts {
		c := &checking{m: m, group: group, request: request, report: report, seen: map[string]bool{},
			found: Checked{Sample: request.Sample, Examples: []store.DifferenceAnswer{}}}
		err := c.run(ctx)
		if !errors.Is(err, store.ErrOutdated) {
			if err != nil {
				err = fmt.Errorf("check %s: %w", group.Name, err)
			} else {
				m.gauges.checked(group, c.found, m.clock())
			}
			return c.found, err
		}
		if group, err = m.refreshed(ctx, group); err != nil {
			return Checked{}, err
		}
	}
	return Checked{}, fault.New(fault.Busy, "definitions-changing", "the definition of %s kept changing while it was being checked: try again", group.Name)
}

// checkWork does one run that was asked for.
func (m *Materialization) checkWork(ctx context.Context, run *runs.Active) (any, error) {
	var request CheckRequest
	if err := json.Unmarshal(run.Parameters(), &request); err != nil {
		return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
	}
	group, ok := m.catalog.Catalog().Group(run.Subject())
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown-group", "there is no group %q any more", run.Subject())
	}
	return m.Check(ctx, group, request, func(c Checked) { run.Progress(c) })
}

// checking is one check. Its memory does not grow with the group.
type checking struct {
	m       *Materialization
	group   *registry.Group
	request CheckRequest
	report  func(Checked)
	marker  string
	found   Checked
	seen    map[string]bool // entities that a walk over the online store has counted: it may come by twice
	rebuild string          // why the differences cannot be repaired one by one
}

// maxSeen bounds what is remembered of a walk.
const maxSeen = 100_000

func (c *checking) run(ctx context.Context) error {
	identity, err := c.m.store.Identify(ctx)
	if err != nil {
		return fmt.Errorf("ask the offline store: %w", err)
	}
	c.marker = store.Marker(identity, c.group)
	if c.request.Sample == All {
		err = c.all(ctx)
	} else {
		err = c.some(ctx, int(c.request.Sample))
	}
	if err != nil || c.rebuild == "" {
		return err
	}
	if _, err := c.m.Group(ctx, c.group, Rebuild, nil); err != nil {
		return err
	}
	c.found.Rebuilt, c.found.Repaired = c.rebuild, c.found.Different+c.found.Missing+c.found.Extra
	return nil
}

// all goes over the history, which shows all but what is online only, and then over the online store.
func (c *checking) all(ctx context.Context) error {
	snapshot, err := c.snapshot(ctx)
	if err != nil {
		return err
	}
	err = snapshot.Current(ctx, c.group, c.group.Stored(), func(current *store.Current) error {
		return c.compare(ctx, chosen(current, true), snapshot.Now(), nil) // those of which there is nothing are the walk's
	})
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return err
	}
	for from, more := "", true; more; {
		rows, next, err := c.m.store.Online().Walk(ctx, c.group, from)
		if err != nil {
			return err
		}
		if err := c.strangers(ctx, rows); err != nil {
			return err
		}
		from, more = next, next != ""
	}
	return nil
}

const (
	samplePages = 40 // steps of walking over the online store, each from another place
	sampleRows  = 50 // of one step, at most
)

// some takes n entities of the history, and looks at some rows online.
func (c *checking) some(ctx context.Context, n int) error {
	snapshot, err := c.snapshot(ctx)
	if err != nil {
		return err
	}
	keys, err := snapshot.Sample(ctx, c.group, n)
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return err
	}
	for ; len(keys) > 0; keys = keys[min(len(keys), checkEntities):] {
		current, now, err := c.history(ctx, keys[:min(len(keys), checkEntities)])
		if err != nil {
			return err
		}
		if err := c.compare(ctx, current, now, c.mark); err != nil {
			return err
		}
	}
	for looked, page := 0, 0; looked < n && page < samplePages; page++ {
		rows, _, err := c.m.store.Online().Walk(ctx, c.group, store.Anywhere)
		if err != nil {
			return err
		}
		rows = rows[:min(len(rows), sampleRows, n-looked)]
		looked += len(rows)
		if err := c.strangers(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// strangers counts the rows that history knows nothing of.
func (c *checking) strangers(ctx context.Context, rows []store.StoredRow) error {
	var keys []store.Key
	for _, row := range rows {
		if c.seen[row.Key] {
			continue
		}
		key, ok := store.DecodeKey(c.group.EntityType, row.Key)
		if !ok {
			c.count(store.Difference{Agreement: store.Extra, Problem: "the row is of no entity"}, key)
			c.mark(key)
			if c.request.Repair {
				c.rebuild = "a merge cannot set right that a row is of no entity"
			}
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil
	}
	current, now, err := c.history(ctx, keys)
	if err != nil {
		return err
	}
	return c.compare(ctx, chosen(current, false), now, c.mark)
}

func (c *checking) mark(key store.Key) {
	if len(c.seen) < maxSeen {
		c.seen[key.Encoded] = true
	}
}

// chosen is those entities that have values, or those that have none.
func chosen(current *store.Current, values bool) *store.Current {
	some := &store.Current{Group: current.Group, Features: current.Features}
	n := len(current.Features)
	for i, key := range current.Keys {
		if row := current.Values[i*n : (i+1)*n]; observed(row) == values {
			some.Keys = append(some.Keys, key)
			some.Values = append(some.Values, row...)
			some.Stamps = append(some.Stamps, current.Stamps[i*n:(i+1)*n]...)
		}
	}
	return some
}

// snapshot opens one that fits the group.
func (c *checking) snapshot(ctx context.Context) (store.Snapshot, error) {
	snapshot, err := c.m.store.Offline().Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the offline store: %w", err)
	}
	if err := snapshot.Fits(ctx, c.group); err != nil {
		return nil, errors.Join(err, snapshot.Close())
	}
	return snapshot, nil
}

// history reads entities' newest values, however far ahead they are dated.
func (c *checking) history(ctx context.Context, keys []store.Key) (_ *store.Current, now int64, err error) {
	snapshot, err := c.snapshot(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer snapshot.Close()
	times := make([]int64, len(keys))
	for i := range times {
		times[i] = math.MaxInt64
	}
	current, err := snapshot.AsOf(ctx, c.group, c.group.Stored(), keys, times, nil)
	return current, snapshot.Now(), err
}

// online reads entities' rows. While the copy says of itself that it is not complete there is nothing to compare.
func (c *checking) online(ctx context.Context, keys []store.Key) ([]string, error) {
	rows, marked, err := c.m.store.Online().Read(ctx, []store.Question{{Group: c.group, Marker: c.marker, Keys: keys}})
	if err != nil {
		return nil, fmt.Errorf("read the online store: %w", err)
	}
	if !marked[0] {
		return nil, incomplete(c.group.Name)
	}
	return rows[0], nil
}

// count takes an entity into account.
func (c *checking) count(d store.Difference, key store.Key) {
	c.found.Entities++
	switch d.Agreement {
	case store.Equal:
		c.found.Equal++
		return
	case store.Different:
		c.found.Different++
	case store.Missing:
		c.found.Missing++
	case store.Extra:
		c.found.Extra++
	}
	if len(c.found.Examples) < maxExamples {
		c.found.Examples = append(c.found.Examples, d.Show(c.group, key))
	}
}
