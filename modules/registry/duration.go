package registry

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// longest is a hundred years.
const longest = 36_525 * day

var (
	durationForm = regexp.MustCompile(`^([0-9]{1,10})(s|m|h|d)$`)
	errDuration  = errors.New("write a duration as a whole number and s, m, h or d, such as 15m, 24h or 90d")
	units        = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}
)

// ParseDuration reads 30s, 15m, 24h or 90d: more than nothing, at most a hundred years. A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	parts := durationForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, errDuration
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	unit := units[parts[2]]
	switch {
	case err != nil || n > int64(longest/unit):
		return 0, errors.New("the longest duration is a hundred years, 36525d")
	case n == 0:
		return 0, errors.New("a duration is longer than nothing")
	}
	return time.Duration(n) * unit, nil
}

// FormatDuration writes what ParseDuration reads, in the largest unit that fits; zero is "".
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
