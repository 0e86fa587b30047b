package app

import (
	"runtime/debug"
	measured "runtime/metrics"
	"time"
)

// KeepSmall gives garbage back to the system while the process idles, and a while after it was busy, until what it answers is called. As the
// collector is set, what the looks at queues and clocks allocate would else pile up for minutes.
func KeepSmall() (stop func()) {
	ticker := time.NewTicker(idleLook)
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		sample := []measured.Sample{{Name: "/gc/heap/allocs:bytes"}}
		i := idling{}
		for {
			select {
			case <-ending:
				return
			case <-ticker.C:
			}
			if measured.Read(sample); i.look(sample[0].Value.Uint64()) {
				debug.FreeOSMemory()
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(ending)
		<-ended
	}
}

const (
	idleLook   = 20 * time.Second // between two looks
	idleAtMost = 8 << 20          // bytes that a process which idles allocates meanwhile
	worthwhile = 1 << 20          // bytes of garbage that a collection, some 5 ms, is worth
)

// idling tells from what was allocated whether the process idles.
type idling struct {
	seen  uint64 // bytes that had been allocated at the last look
	freed uint64 // bytes that had been when garbage was given back
}

// look takes how many bytes have been allocated in all, and tells whether to give garbage back.
func (i *idling) look(allocated uint64) bool {
	idle := allocated-i.seen <= idleAtMost
	i.seen = allocated
	if !idle || allocated-i.freed < worthwhile {
		return false
	}
	i.freed = allocated
	return true
}
