package sqlite

import (
	"sync"
	"time"
)

// clock is the offline store's: it never goes back, not even over a restart, since each commit keeps the last time given.
type clock struct {
	now  func() time.Time
	mu   sync.Mutex
	last int64 // µs
}

// time is now in µs, or the last time given if that is later.
func (c *clock) time() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, c.now().UnixMicro())
	return c.last
}

func (c *clock) lastGiven() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
