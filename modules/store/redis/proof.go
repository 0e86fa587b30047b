package redis

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"syscall"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// A server that was restarted may have lost its last rows and have kept the markers of their groups. A connection does not outlive its
// server, so as long as no other one is made, all answers come from one run of it. proofs knows, until then, the groups whose state was
// written in that run: only their markers count.
type proofs struct {
	dials   atomic.Int64 // raised before a connection is made
	current atomic.Pointer[proof]
	mu      sync.Mutex // held by the one that replaces current
}

// proof never changes.
type proof struct {
	dials  int64
	run    string
	groups map[int64]bool
}

// dialling counts connections; it is for net.Dialer.Control.
func (p *proofs) dialling(string, string, syscall.RawConn) error {
	p.dials.Add(1)
	return nil
}

// of tells whether a proof is about the answers that came while there had been that many dials, and about the group.
func (p *proof) of(dials int64, group *registry.Group) bool {
	return p != nil && p.dials == dials && p.groups[group.ID]
}

// unmark takes the marks off groups whose state was not written in the run of the server that answered. What is not known yet is asked.
func (o *Online) unmark(ctx context.Context, questions []store.Question, marked []bool) error {
	dials := o.proofs.dials.Load() // the answer came by one of these, or before them, from a run that had lost nothing
	known := o.proofs.current.Load()
	var unknown []*registry.Group
	for i := range questions {
		if marked[i] && !known.of(dials, questions[i].Group) {
			unknown = append(unknown, questions[i].Group)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	known, err := o.prove(ctx, unknown)
	if err != nil {
		return err
	}
	for i := range questions {
		marked[i] = marked[i] && known.of(dials, questions[i].Group)
	}
	return nil
}

// prove finds out the server's run, and which of the groups have a state of that run, beside those that are known to.
func (o *Online) prove(ctx context.Context, groups []*registry.Group) (*proof, error) {
	p := &o.proofs
	p.mu.Lock()
	defer p.mu.Unlock()
	next := &proof{dials: p.dials.Load(), groups: map[int64]bool{}}
	last := p.current.Load()
	if last != nil && last.dials == next.dials {
		next.run = last.run
	} else {
		var err error
		if next.run, err = o.Run(ctx); err != nil {
			return nil, err
		}
	}
	if last != nil && last.run == next.run {
		maps.Copy(next.groups, last.groups)
	}
	for _, group := range groups {
		if next.groups[group.ID] {
			continue
		}
		state, err := o.State(ctx, group)
		if err != nil {
			return nil, err
		}
		if state.Server == next.run {
			next.groups[group.ID] = true
		}
	}
	p.current.Store(next)
	return next, nil
}
