package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// writer owns the one connection that changes a file, and the goroutine that uses it. Single writes that wait together are committed
// together: a group is whatever waits when the last commit is done, without a timer. Steps of bulk work are transactions of
// their own, one at a time and only while nothing else waits.
type writer struct {
	conn    *conn
	hooks   hooks
	relaxes bool // whether steps of bulk work are left to a later commit's sync
	relaxed bool // whether the connection is set so now

	mu      sync.Mutex
	wake    *sync.Cond
	waiting [bulk + 1][]*job
	closing bool
	ended   chan struct{}
}

// hooks are called around each commit, in the writer's goroutine.
type hooks struct {
	before func(*conn) error // inside the transaction, as its last step
	after  func(err error)   // with the transaction's outcome
}

// kind is how a job is committed. Those that come first are served first.
type kind int

const (
	single kind = iota // together with others
	alone              // in a transaction of its own
	bare               // outside of any transaction
	bulk               // in a transaction of its own, when nothing else waits, and durable no later than the next that is not bulk
)

// maxGroup is how many single writes one commit takes.
const maxGroup = 1024

type job struct {
	do    func(*conn) error // called again if the transaction it was in is rolled back for another job
	kind  kind
	state atomic.Int32
	err   error
	done  chan struct{}
}

// States of a job.
const (
	waiting int32 = iota
	taken
	withdrawn
)

// newWriter starts a writer. The file's commits are synced as the connection is set; with relaxes, those of bulk work less.
func newWriter(c *conn, relaxes bool, h hooks) *writer {
	w := &writer{conn: c, hooks: h, relaxes: relaxes, ended: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	go w.work()
	return w
}

// do submits a job and waits for its commit.
func (w *writer) do(ctx context.Context, k kind, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.submit(k, do).wait(ctx)
}

// submit hands a job in, which must then be waited for.
func (w *writer) submit(k kind, do func(*conn) error) *job {
	j := &job{do: do, kind: k, done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		j.err = errClosed
		close(j.done)
		return j
	}
	w.waiting[k] = append(w.waiting[k], j)
	w.wake.Signal()
	return j
}

// wait answers when the job is committed or has failed. A job whose turn has not come when ctx ends is withdrawn.
func (j *job) wait(ctx context.Context) error {
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if j.state.CompareAndSwap(waiting, withdrawn) {
		return ctx.Err()
	}
	<-j.done
	return j.err
}

// close does what was submitted, ends the goroutine and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	again := w.closing
	w.closing = true
	w.wake.Signal()
	w.mu.Unlock()
	if again {
		return nil
	}
	<-w.ended
	return w.conn.close()
}

func (w *writer) work() {
	defer close(w.ended)
	for {
		group, open := w.next()
		if !open {
			return
		}
		w.conn.tidy()
		w.commit(group)
	}
}

// next waits for jobs and takes those of one transaction; false when the writer is closing and none are left.
func (w *writer) next() (group []*job, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for k := range w.waiting {
			if group := w.take(kind(k)); len(group) > 0 {
				return group, true
			}
		}
		if w.closing {
			return nil, false
		}
		w.wake.Wait()
	}
}

func (w *writer) take(k kind) (group []*job) {
	most := 1
	if k == single {
		most = maxGroup
	}
	for len(w.waiting[k]) > 0 && len(group) < most {
		j := w.waiting[k][0]
		w.waiting[k][0] = nil
		w.waiting[k] = w.waiting[k][1:]
		if j.state.CompareAndSwap(waiting, taken) {
			group = append(group, j)
		}
	}
	return group
}

// commit does the jobs in one transaction and lets their callers go. If that fails, each is done alone, so that none fails its
// neighbours.
func (w *writer) commit(group []*job) {
	err := w.transact(group)
	if err != nil && len(group) > 1 {
		for _, j := range group {
			w.commit([]*job{j})
		}
		return
	}
	for _, j := range group {
		j.err = err
		close(j.done)
	}
}

func (w *writer) transact(group []*job) error {
	if group[0].kind == bare {
		return group[0].do(w.conn)
	}
	if err := w.relax(w.relaxes && group[0].kind == bulk); err != nil {
		return err
	}
	if err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	err := w.inside(group)
	if err == nil {
		if err = w.conn.exec("COMMIT"); err != nil {
			err = fmt.Errorf("committing: %w", err)
		}
	}
	if err != nil && !w.conn.db.AutoCommit() {
		if failed := w.conn.exec("ROLLBACK"); failed != nil {
			err = errors.Join(err, fmt.Errorf("rolling back: %w", failed))
		}
	}
	if w.hooks.after != nil {
		w.hooks.after(err)
	}
	return err
}

func (w *writer) inside(group []*job) error {
	for _, j := range group {
		if err := j.do(w.conn); err != nil {
			return err
		}
	}
	if w.hooks.before == nil {
		return nil
	}
	return w.hooks.before(w.conn)
}

// relax sets whether the following commits are synced only by a later one: the log is one sequence, so the sync of a commit is one
// of all before it.
func (w *writer) relax(relaxed bool) error {
	if w.relaxed == relaxed {
		return nil
	}
	mode := "FULL"
	if relaxed {
		mode = "NORMAL"
	}
	if err := w.conn.run("PRAGMA synchronous = " + mode); err != nil {
		return fmt.Errorf("setting synchronous to %s: %w", mode, err)
	}
	w.relaxed = relaxed
	return nil
}
