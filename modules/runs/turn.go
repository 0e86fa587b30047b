package runs

import "context"

// AwaitsTurn tells whether a queued run waits for what it was ordered to wait for: its time, the end of quiet hours, a place for heavy runs, or the
// end of one with the same key. One that does not is there to be started by any process that handles its kind.
func (r *Runs) AwaitsTurn(ctx context.Context, run Run) (bool, error) {
	now := r.clock()
	if run.NotBefore.After(now) || run.Heavy && !run.Now && r.quiet.at(now) {
		return true, nil
	}
	running, err := r.List(ctx, Filter{State: Running, Limit: 1000})
	if err != nil {
		return false, err
	}
	heavy := 0
	for _, other := range running {
		if run.Key != "" && other.Key == run.Key {
			return true, nil
		}
		if other.Heavy {
			heavy++
		}
	}
	return run.Heavy && r.config.Heavy > 0 && heavy >= r.config.Heavy, nil
}
