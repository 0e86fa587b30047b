package timetable

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/batch/tick"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
)

// Limits of what a timetable can say.
const (
	maxRetries = 20
	maxBackoff = 24 * time.Hour
	maxJitter  = 24 * time.Hour
)

// Members are what a timetable can say, for kinds of definitions that have it as members of their own. What they say together is for Together.
func Members() []registry.Member {
	return []registry.Member{
		{Name: "cron", Read: readCron},
		{Name: "every", Read: duration(0)},
		{Name: "time_zone", Read: readZone},
		{Name: "jitter", Read: duration(maxJitter)},
		{Name: "deadline", Read: duration(0)},
		{Name: "retries", Read: readRetries},
		{Name: "backoff", Read: duration(maxBackoff)},
		{Name: "catch_up", Read: registry.OneOf(string(Latest), string(All), string(None))},
		{Name: "paused", Read: readFlag},
		{Name: "concurrency_key", Read: registry.Text(100)},
	}
}

// Read reads a timetable that is one member of a definition, an object of Members; what it answers is for Of.
func Read(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	if jsonscan.KindOf(string(raw)) != jsonscan.Object {
		wrong("", string(raw), "expected an object such as {\"cron\": \"0 2 * * *\", \"time_zone\": \"UTC\"}")
		return nil
	}
	known := Members()
	names := make([]string, len(known))
	for i, m := range known {
		names[i] = m.Name
	}
	given, sound := registry.Members{}, true
	note := func(within, value, format string, args ...any) {
		sound = false
		wrong(within, value, format, args...)
	}
	s := jsonscan.New(string(raw))
	_ = s.Object(func(name string) error { // the registry has read it already
		value, err := s.Value()
		i := slices.Index(names, name)
		switch {
		case err != nil || value == "null" || value == `""`:
		case i < 0:
			note("."+name, "", "unknown member; a timetable has %s%s", strings.Join(names, ", "), registry.DidYouMean(name, slices.Values(names)))
		default:
			read := known[i].Read(json.RawMessage(value), func(within, value, format string, args ...any) { note("."+name+within, value, format, args...) })
			if read != nil {
				given[name] = read
			}
		}
		return err
	})
	if !sound {
		return nil
	}
	for _, v := range Together(given) {
		note("."+v.Location, v.Value, "%s", v.Message)
	}
	if !sound {
		return nil
	}
	canonical := []byte{'{'}
	for _, name := range names {
		if given[name] == nil {
			continue
		}
		if len(canonical) > 1 {
			canonical = append(canonical, ',')
		}
		canonical = append(append(canonical, registry.QuoteText(name)...), ':')
		canonical = append(canonical, given[name]...)
	}
	return append(canonical, '}')
}

// Together says what is wrong with what members say together, each of which is right by itself.
func Together(members registry.Members) (found []fault.Violation) {
	wrong := func(at, value, format string, args ...any) {
		found = append(found, fault.Violation{Location: at, Message: fmt.Sprintf(format, args...), Value: fault.Shorten(value)})
	}
	cron, every := members["cron"], members["every"]
	switch {
	case cron == nil && every == nil:
		wrong("cron", "", "not given: say when, by cron (\"0 2 * * *\") or every (\"6h\")")
		return found
	case cron != nil && every != nil:
		wrong("every", jsonscan.Unquote(string(every)), "stands beside cron: a timetable has one of the two")
		return found
	case every != nil && members["time_zone"] != nil:
		wrong("time_zone", jsonscan.Unquote(string(members["time_zone"])), "goes with cron: an interval is counted from 1970-01-01T00:00:00Z, whatever clocks show")
		return found
	}
	object, err := json.Marshal(members)
	if err != nil {
		wrong("cron", "", "%v", err)
		return found
	}
	t, err := Of(object)
	if err != nil {
		wrong("cron", "", "%v", err)
		return found
	}
	if least := t.leastGap(); t.Jitter > least {
		wrong("jitter", registry.FormatDuration(t.Jitter), "is longer than the time from one tick to the next, which can be %s", least)
	}
	if t.Deadline != 0 && t.Deadline <= t.Jitter {
		wrong("deadline", registry.FormatDuration(t.Deadline), "is not longer than jitter: it would pass before the tick is due")
	}
	return found
}

// leastGap is the least time between two ticks that follow each other, as far as 60 of them show.
func (t *Timetable) leastGap() time.Duration {
	if t.ticks == nil {
		return t.Every
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before, least, n := int64(0), time.Duration(1<<63-1), 0
	for at := range t.ticks.Between(from.UnixMicro(), from.AddDate(1000, 0, 0).UnixMicro()) {
		if n++; n > 1 {
			least = min(least, time.Duration(at-before)*time.Microsecond)
		}
		if before = at; n == 60 {
			break
		}
	}
	return least
}

// ticksOf are the ticks of a cron spec; an error is a sentence about it.
func ticksOf(spec string, zone *time.Location) (*tick.Ticks, error) {
	if !strings.ContainsAny(spec, " \t@") { // the words of ticks are no specs
		return nil, errors.New("write minute, hour, day of month, month and day of week, such as 0 2 * * *")
	}
	return tick.New(spec, zone)
}

func readCron(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	text, ok := readText(raw, wrong)
	if !ok {
		return nil
	}
	if _, err := ticksOf(text, time.UTC); err != nil {
		wrong("", text, "%v", err)
		return nil
	}
	return registry.QuoteText(text)
}

func readZone(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	text, ok := readText(raw, wrong)
	if !ok {
		return nil
	}
	if _, err := zone(text); err != nil {
		wrong("", text, "%v", err)
		return nil
	}
	return registry.QuoteText(text)
}

// zone finds a time zone by its name.
func zone(name string) (*time.Location, error) {
	const do = "use a name such as UTC or Europe/Berlin"
	if name == "Local" { // Go's word for the machine's own
		return nil, errors.New("processes may stand in different zones: " + do)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, errors.New("is no time zone: " + do)
	}
	return z, nil
}

// duration reads one of at most so much; 0: any.
func duration(most time.Duration) func(json.RawMessage, registry.Wrong) json.RawMessage {
	return func(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
		text, ok := readText(raw, wrong)
		if !ok {
			return nil
		}
		d, err := registry.ParseDuration(text)
		switch {
		case err != nil:
			wrong("", text, "%v", err)
			return nil
		case most != 0 && d > most:
			wrong("", text, "is longer than %s", registry.FormatDuration(most))
			return nil
		}
		return registry.QuoteText(text)
	}
}

func readRetries(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || n > maxRetries {
		wrong("", string(raw), "expected a whole number of 0 to %d", maxRetries)
		return nil
	}
	return json.RawMessage(strconv.Itoa(n))
}

func readFlag(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	if kind := jsonscan.KindOf(string(raw)); kind != jsonscan.Bool {
		wrong("", string(raw), "expected true or false")
		return nil
	}
	return raw
}

func readText(raw json.RawMessage, wrong registry.Wrong) (string, bool) {
	if jsonscan.KindOf(string(raw)) != jsonscan.String {
		wrong("", string(raw), "expected a string")
		return "", false
	}
	return jsonscan.Unquote(string(raw)), true
}
