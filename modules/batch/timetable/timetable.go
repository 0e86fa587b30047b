// Package timetable says when work is due that is done again and again, and what becomes of a time that could not be kept. It is what schedules say,
// and what a pipeline says in its member schedule.
package timetable

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"featurestore/modules/batch/tick"
	"featurestore/modules/registry"
)

// CatchUp says what becomes of ticks that passed while nothing was there to begin them.
type CatchUp string

const (
	Latest CatchUp = "latest" // the newest of them stands for all
	All    CatchUp = "all"    // each is made up for, the oldest first
	None   CatchUp = "none"   // they are left out
)

// What a timetable says where it is silent.
const (
	DefaultRetries = 2
	DefaultBackoff = time.Minute
)

// Timetable names times, its ticks: those of a cron spec on the clock of a zone, or one each interval. It never changes.
type Timetable struct {
	Cron  string         // a spec of five fields, or @hourly to @yearly; "": Every
	Every time.Duration  // ticks are its multiples since 1970-01-01T00:00:00Z
	Zone  *time.Location // whose clock Cron is read on

	Jitter         time.Duration // a tick is due so much later at most, always the same for the same tick
	Deadline       time.Duration // after the tick: what has not begun by then is skipped, what has not ended fails; 0: none
	Retries        int           // how often a run that failed is tried again
	Backoff        time.Duration // before the first time; twice as long before each further one
	CatchUp        CatchUp       // "": as the work has it
	Paused         bool
	ConcurrencyKey string // of runs that have it one is under way at a time; "": the work says so itself

	ticks *tick.Ticks // of Cron
}

// document is a timetable as definitions hold it.
type document struct {
	Cron           string  `json:"cron"`
	Every          string  `json:"every"`
	TimeZone       string  `json:"time_zone"`
	Jitter         string  `json:"jitter"`
	Deadline       string  `json:"deadline"`
	Retries        *int    `json:"retries"`
	Backoff        string  `json:"backoff"`
	CatchUp        CatchUp `json:"catch_up"`
	Paused         bool    `json:"paused"`
	ConcurrencyKey string  `json:"concurrency_key"`
}

// Of makes the timetable of an object that has been read by Read, or by Members one by one; it may have other members too. An error is a sentence
// about one of them.
func Of(object []byte) (*Timetable, error) {
	var d document
	if err := json.Unmarshal(object, &d); err != nil {
		return nil, fmt.Errorf("read a timetable: %w", err)
	}
	t := &Timetable{Cron: d.Cron, Zone: time.UTC, Retries: DefaultRetries, Backoff: DefaultBackoff, CatchUp: d.CatchUp, Paused: d.Paused, ConcurrencyKey: d.ConcurrencyKey}
	if d.Retries != nil {
		t.Retries = *d.Retries
	}
	for _, duration := range []struct {
		member, text string
		of           *time.Duration
	}{{"every", d.Every, &t.Every}, {"jitter", d.Jitter, &t.Jitter}, {"deadline", d.Deadline, &t.Deadline}, {"backoff", d.Backoff, &t.Backoff}} {
		if duration.text == "" {
			continue
		}
		var err error
		if *duration.of, err = registry.ParseDuration(duration.text); err != nil {
			return nil, fmt.Errorf("%s: %w", duration.member, err)
		}
	}
	var err error
	if d.TimeZone != "" {
		if t.Zone, err = zone(d.TimeZone); err != nil {
			return nil, fmt.Errorf("time_zone: %w", err)
		}
	}
	switch {
	case t.Cron != "":
		if t.ticks, err = ticksOf(t.Cron, t.Zone); err != nil {
			return nil, fmt.Errorf("cron: %w", err)
		}
	case t.Every == 0:
		return nil, fmt.Errorf("a timetable has cron or every")
	}
	return t, nil
}

// Times says which times the timetable names: two that say the same have the same ticks.
func (t *Timetable) Times() string {
	if t.ticks == nil {
		return "every " + registry.FormatDuration(t.Every)
	}
	return "cron " + t.Cron + " " + t.Zone.String()
}

// After is the first tick after a time, both in µs; false: there is none before the year 9999 ends.
func (t *Timetable) After(at int64) (int64, bool) {
	if t.ticks != nil {
		return t.ticks.After(at)
	}
	every := t.Every.Microseconds()
	n := at / every
	if at < 0 && at%every != 0 {
		n--
	}
	return (n + 1) * every, true
}

// Last is the newest tick that is not after a time, both in µs; false: there is none.
func (t *Timetable) Last(at int64) (int64, bool) {
	if t.ticks != nil {
		return t.ticks.Last(at)
	}
	next, _ := t.After(at)
	return next - t.Every.Microseconds(), true
}

// Due is when the tick of the schedule of that name is to begin, in µs: Jitter spreads schedules that have the same times.
func (t *Timetable) Due(name string, tick int64) int64 {
	if t.Jitter == 0 {
		return tick
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s@%d", name, tick)
	sum := hash.Sum64() // its low digits alone hardly differ between neighbours
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	return tick + int64(sum%uint64(t.Jitter.Microseconds()))
}

// Following are the first ticks after a time, at most so many, in µs.
func (t *Timetable) Following(at int64, n int) (ticks []int64) {
	if t.ticks == nil {
		for range n {
			at, _ = t.After(at)
			ticks = append(ticks, at)
		}
		return ticks
	}
	for next := range t.ticks.Between(at+1, math.MaxInt64) {
		if ticks = append(ticks, next); len(ticks) >= n {
			break
		}
	}
	return ticks
}
