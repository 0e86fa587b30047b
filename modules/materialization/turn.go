package materialization

import (
	"context"

	"featurestore/modules/registry"
)

// turn is whose turn it is to bring a group in step, of those in this process. Who waits for it stops waiting when told to: the one before may
// take minutes, and a process that ends does not wait for both.
type turn chan struct{}

func (m *Materialization) turn(group *registry.Group) turn {
	t, _ := m.turns.LoadOrStore(group.ID, make(turn, 1))
	return t.(turn)
}

// take waits for the turn, or until ctx is done.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryTake takes the turn if it is nobody's.
func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }
