package materialization

import (
	"context"
	"errors"
	"fmt"
	"time"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// compare looks at entities whose history was just read, and again at those that differ. done, if not nil, hears of each that was counted.
func (c *checking) compare(ctx context.Context, current *store.Current, now int64, done func(store.Key)) error {
	var again []store.Key
	n := len(current.Features)
	for from := 0; from < len(current.Keys); from += checkEntities {
		to := min(from+checkEntities, len(current.Keys))
		part := &store.Current{Group: current.Group, Features: current.Features, Keys: current.Keys[from:to],
			Values: current.Values[from*n : to*n], Stamps: current.Stamps[from*n : to*n]}
		rows, err := c.online(ctx, part.Keys)
		if err != nil {
			return err
		}
		differences := make([]store.Difference, len(part.Keys))
		for i := range part.Keys {
			differences[i] = c.m.store.Versus(part, part, i, rows[i], now)
		}
		if err := c.former(ctx, part.Keys, differences); err != nil {
			return err
		}
		again = again[:0]
		for i, key := range part.Keys {
			d := differences[i]
			switch {
			case d.Agreement != store.Equal:
				again = append(again, key)
			case rows[i] != "" || observed(part.Values[i*n:(i+1)*n]): // it was an entity, and has not gone meanwhile
				c.count(d, key)
				if done != nil {
					done(key)
				}
			}
		}
		c.found.LookedAgain += int64(len(again))
		if err := c.settle(ctx, again, done); err != nil {
			return err
		}
		if c.report != nil {
			c.report(c.found)
		}
	}
	return nil
}

func observed(values []value.Value) bool {
	for _, v := range values {
		if !v.IsAbsent() {
			return true
		}
	}
	return false
}

// settle looks at entities that differ until it is known of each whether they do.
func (c *checking) settle(ctx context.Context, keys []store.Key, done func(store.Key)) error {
	differed := map[string]bool{} // in the look before
	for look := 1; len(keys) > 0; look++ {
		differences, err := c.look(ctx, keys)
		if err != nil {
			return err
		}
		var again, wrong []store.Key
		for i, key := range keys {
			d := differences[i]
			if d.Agreement != store.Equal && !differed[key.Encoded] && look < maxLooks {
				differed[key.Encoded] = true
				again = append(again, key)
				continue
			}
			c.count(d, key)
			if done != nil {
				done(key)
			}
			if d.Agreement != store.Equal {
				wrong = append(wrong, key)
			}
		}
		if err := c.repair(ctx, wrong); err != nil {
			return err
		}
		if keys = again; len(keys) > 0 {
			if err := pause(ctx, lookPause); err != nil {
				return err
			}
		}
	}
	return nil
}

// look compares entities while they are being written to: see Check.
func (c *checking) look(ctx context.Context, keys []store.Key) ([]store.Difference, error) {
	before, _, err := c.history(ctx, keys)
	if err != nil {
		return nil, err
	}
	if _, err := c.m.Group(ctx, c.group, Incremental, nil); err != nil {
		return nil, err
	}
	rows, err := c.online(ctx, keys)
	if err != nil {
		return nil, err
	}
	after, now, err := c.history(ctx, keys)
	if err != nil {
		return nil, err
	}
	differences := make([]store.Difference, len(keys))
	for i := range keys {
		differences[i] = c.m.store.Versus(before, after, i, rows[i], now)
	}
	return differences, c.former(ctx, keys, differences)
}

// former looks for the entities whose online rows hold nothing but features that were deleted since: where history has rows of them, those
// do not either, and both are equal.
func (c *checking) former(ctx context.Context, keys []store.Key, differences []store.Difference) error {
	var asked []store.Key
	var places []int
	for i, d := range differences {
		if d.Former {
			asked, places = append(asked, keys[i]), append(places, i)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	snapshot, err := c.snapshot(ctx)
	if err != nil {
		return err
	}
	has, err := snapshot.HasEntities(ctx, c.group, asked)
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return fmt.Errorf("read the offline store: %w", err)
	}
	for i, place := range places {
		if has[i] {
			differences[place] = store.Difference{}
		}
	}
	return nil
}

// repair merges what history has into the online rows. That leaves a row as it is which cannot be read, or has what history has not: the
// group is rebuilt in the end.
func (c *checking) repair(ctx context.Context, keys []store.Key) error {
	if !c.request.Repair || len(keys) == 0 {
		return nil
	}
	for range attempts {
		state, err := c.m.store.Online().State(ctx, c.group)
		if err != nil {
			return fmt.Errorf("read the fence: %w", err)
		}
		current, _, err := c.history(ctx, keys) // after the fence: what is taken back from now on raises it
		if err != nil {
			return err
		}
		merged, err := c.m.store.Online().Merge(ctx, c.group, state.Fence, false, c.m.store.PackCurrent(current))
		if err != nil {
			return fmt.Errorf("write online: %w", err)
		}
		if !merged.Refused {
			break
		}
	}
	differences, err := c.look(ctx, keys)
	if err != nil {
		return err
	}
	for _, d := range differences {
		if d.Agreement == store.Equal {
			c.found.Repaired++
		} else if c.rebuild == "" {
			c.rebuild = "a merge cannot set right that " + d.Problem
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
