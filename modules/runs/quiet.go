package runs

import (
	"fmt"
	"strings"
	"time"
)

// quietHours are parts of each day in which heavy runs are not started.
type quietHours struct {
	zone  *time.Location
	spans [][2]int // minutes since midnight: [from, to); one whose to is not after its from goes over midnight
}

// readQuietHours reads "22:00-06:00", or several such parts with commas between; "" is none. Hours are those that clocks show in the zone.
func readQuietHours(text, zone string) (quietHours, error) {
	q := quietHours{zone: time.UTC}
	var err error
	if q.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		return q, fmt.Errorf("runs.quiet_hours_zone is %q: use the name of a time zone, such as UTC or Europe/Berlin", zone)
	}
	if text == "" {
		return q, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
		var span [2]int
		for i, clock := range []string{from, to} {
			at, err := time.Parse("15:04", strings.TrimSpace(clock))
			ok = ok && err == nil
			span[i] = at.Hour()*60 + at.Minute()
		}
		if !ok || span[0] == span[1] {
			return q, fmt.Errorf("runs.quiet_hours is %q: write it as 08:00-18:00, or 22:00-06:00 over midnight, with commas between several", text)
		}
		q.spans = append(q.spans, span)
	}
	return q, nil
}

// at tells whether a time is within quiet hours.
func (q quietHours) at(t time.Time) bool {
	if len(q.spans) == 0 {
		return false
	}
	t = t.In(q.zone)
	minute := t.Hour()*60 + t.Minute()
	for _, s := range q.spans {
		if s[0] < s[1] && s[0] <= minute && minute < s[1] || s[0] > s[1] && (minute >= s[0] || minute < s[1]) {
			return true
		}
	}
	return false
}
