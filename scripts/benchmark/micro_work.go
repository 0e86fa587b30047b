package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// work does a full materialization, a pipeline and a training set beside each other, each again and again until during ends. wait is for the end of
// those that have begun, with their errors; done tells how often each was done.
func (m *micro) work(during context.Context) (done func() string, wait func() error) {
	works := []*microWork{
		{name: "materializations", do: func(int) error { _, err := m.materialize("full", "copied"); return err }},
		{name: "pipelines", do: m.backfill},
		{name: "training sets", do: func(int) error { _, err := m.training("history", m.spine()); return err }},
	}
	var all sync.WaitGroup
	for _, w := range works {
		all.Go(func() {
			for w.err == nil && during.Err() == nil {
				began := time.Now()
				if w.err = w.do(w.times); w.err == nil {
					w.times++
				}
				w.took += time.Since(began)
			}
		})
	}
	wait = func() error {
		all.Wait()
		for _, w := range works {
			if w.err != nil {
				return fmt.Errorf("%s: %w", w.name, w.err)
			}
		}
		return nil
	}
	done = func() string {
		var words []string
		for _, w := range works {
			words = append(words, fmt.Sprintf("%d %s of %.1f s", w.times, w.name, w.took.Seconds()/float64(max(w.times, 1))))
		}
		return strings.Join(words, ", ")
	}
	return done, wait
}

// microWork is one that is done again and again.
type microWork struct {
	name  string
	do    func(turn int) error
	times int
	took  time.Duration // together
	err   error
}

// backfill computes ten days, in each turn others, beginning again once all were computed.
func (m *micro) backfill(turn int) error {
	const days, first = 10, 30 // the windows are of 30 days
	from := january.AddDate(0, 0, first+turn*days%(boughtDays-first-days))
	answer, err := post(fmt.Sprintf("%s/pipelines/bought_daily/backfill?from=%s&to=%s&wait=5m", m.base, from.Format(time.DateOnly), from.AddDate(0, 0, days-1).Format(time.DateOnly)), "", http.NoBody)
	if err != nil {
		return err
	}
	var run struct {
		State, Reason string
		Result        struct{ Ticks, Rows int64 }
	}
	if err := json.Unmarshal(answer, &run); err != nil {
		return err
	}
	if run.State != "succeeded" || run.Result.Ticks != days || run.Result.Rows == 0 {
		return fmt.Errorf("a pipeline came to %s", answer)
	}
	return nil
}
