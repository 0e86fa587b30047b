package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// StartReading is Start for a process that changes nothing: reads are answered, and a group that others take something back from is read
// offline until they have set its online copy right. What writes would wait for ever.
func (s *Store) StartReading(ctx context.Context) error {
	if _, err := s.Identify(ctx); err != nil {
		return fmt.Errorf("read the offline store's identity: %w", err)
	}
	if err := s.remember(ctx); err != nil {
		return fmt.Errorf("read what was taken back: %w", err)
	}
	s.lanes.Go(s.watchRepaid)
	return nil
}

// watchRepaid looks each second what others have repaid, or owe now.
func (s *Store) watchRepaid() {
	ticker := time.NewTicker(repayEvery)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
		owed := s.owed.due()
		err := s.remember(s.background)
		if err == nil {
			for id, calls := range owed {
				s.owed.change(id, 0, -calls)
			}
		}
		if err != nil && !told && !errors.Is(err, context.Canceled) {
			s.log.Warn("what was taken back cannot be read; it is tried again", "error", err)
		}
		told = err != nil
	}
}
