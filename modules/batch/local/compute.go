package local

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"featurestore/modules/batch"
)

// feed calls yield with blocks, which it takes from blocks, one after the other, until there are no more events or yield fails. What it has yielded belongs to yield.
type feed func(ctx context.Context, blocks *sync.Pool, yield func(*block) error) error

// task is a block on its way: its rows come in pieces, which are written before those of the block behind it.
type task struct {
	block *block
	rows  chan *rows
}

// aggregate computes the aggregations of a job in one pass over its events: one goroutine reads, as many as the job has threads compute, and one
// writes. Little is under way at a time.
func aggregate(ctx context.Context, job *batch.Job, from feed) (*batch.Staged, error) {
	out, err := newStage(job.Plan, job.Folder)
	if err != nil {
		return nil, err
	}
	p, perTick := newProgram(job.Plan), make([]int64, len(job.Ticks))
	pool := sync.Pool{New: func() any { return newRows(job.Plan, len(job.Ticks)) }}
	blocks := sync.Pool{New: func() any { return newBlock(job.Plan) }}
	threads := max(job.Threads, 1)
	work, written := make(chan *task, 1), make(chan *task, 2*threads)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		defer close(written)
		return from(ctx, &blocks, func(b *block) error {
			t := &task{block: b, rows: make(chan *rows, 1)}
			for _, to := range []chan *task{written, work} {
				if err := send(ctx, to, t); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for range threads {
		group.Go(func() error {
			pass := newPass(p, job.Ticks)
			for t := range work {
				full := func(r *rows) (*rows, error) {
					return pool.Get().(*rows), send(ctx, t.rows, r)
				}
				if err := pass.block(ctx, t.block, full, pool.Get().(*rows)); err != nil {
					return err
				}
				close(t.rows)
				t.block.reset()
				blocks.Put(t.block)
			}
			return nil
		})
	}
	group.Go(func() error {
		for t := range written {
			for r, ok, err := receive(ctx, t.rows); ok || err != nil; r, ok, err = receive(ctx, t.rows) {
				if err != nil {
					return err
				}
				if err := out.write(r); err != nil {
					return err
				}
				for i, n := range r.perTick {
					perTick[i] += n
				}
				r.reset()
				pool.Put(r)
			}
		}
		return nil
	})
	err = group.Wait()
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	staged := &batch.Staged{Files: []string{out.path}, Rows: out.count, PerTick: make(map[int64]int64, len(perTick))}
	for i, n := range perTick {
		if n > 0 {
			staged.PerTick[job.Ticks[i]] = n
		}
	}
	return staged, nil
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func receive[T any](ctx context.Context, from <-chan T) (v T, ok bool, err error) {
	select {
	case v, ok = <-from:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return v, ok, err
}
