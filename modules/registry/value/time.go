package value

import (
	"fmt"
	"strings"
	"time"
)

const (
	second = 1_000_000 // µs
	day    = 86_400 * second

	firstTime = -62_135_596_800 * second              // 0001-01-01T00:00:00Z
	endOfTime = 253_402_300_800 * second              // 10000-01-01T00:00:00Z
	timeLike  = "a time such as 2026-01-31T12:00:00Z" // for error messages
)

// ParseTime reads RFC 3339, also with a space for the T, without seconds, with a comma before their fraction, or with an offset
// such as +0200 or +02, as microseconds; what is finer is cut off. A time without an offset, or a date alone (midnight), is in
// zone: an error if zone is nil, or if the clocks of the zone showed that time twice or never. Years are 1 to 9999 in UTC.
func ParseTime(text string, zone *time.Location) (int64, error) {
	us, zoned, ok := readTime(text)
	if !ok {
		return 0, fmt.Errorf("expected %s, got %s", timeLike, shown(text))
	}
	if !zoned {
		if zone == nil {
			return 0, fmt.Errorf("%s has no offset from UTC: add Z or one such as +02:00, or name the zone with time_zone", text)
		}
		var err error
		if us, err = local(us, zone, text); err != nil {
			return 0, err
		}
	}
	if us < firstTime || us >= endOfTime {
		return 0, fmt.Errorf("%s is outside the years 1 to 9999", text)
	}
	return us, nil
}

// ParseQueryTime is ParseTime for a query parameter, where a space before an offset was a plus sign.
func ParseQueryTime(text string, zone *time.Location) (int64, error) {
	if i := strings.LastIndexByte(text, ' '); i > len("2026-01-31") {
		text = text[:i] + "+" + text[i+1:]
	}
	return ParseTime(text, zone)
}

// readTime reads a time; without an offset us is what a clock in UTC would show. The year may still be out of range.
func readTime(t string) (us int64, zoned, ok bool) {
	if len(t) < 10 || t[4] != '-' || t[7] != '-' {
		return 0, false, false
	}
	year := 100*pair(t, 0) + pair(t, 2)
	month, dayOfMonth := pair(t, 5), pair(t, 8)
	if pair(t, 0)|pair(t, 2)|month|dayOfMonth < 0 || month < 1 || month > 12 || dayOfMonth < 1 || dayOfMonth > daysIn(year, month) {
		return 0, false, false
	}
	us = days(year, month, dayOfMonth) * day
	if len(t) == 10 {
		return us, false, true
	}
	if len(t) < 16 || (t[10] != 'T' && t[10] != ' ' && t[10] != 't') || t[13] != ':' {
		return 0, false, false
	}
	hour, minute, sec, i := pair(t, 11), pair(t, 14), 0, 16
	if i < len(t) && t[i] == ':' {
		if len(t) < 19 {
			return 0, false, false
		}
		sec, i = pair(t, 17), 19
	}
	if hour|minute|sec < 0 || hour > 23 || minute > 59 || sec > 59 {
		return 0, false, false
	}
	us += int64(hour*3600+minute*60+sec) * second
	if i == 19 && i < len(t) && (t[i] == '.' || t[i] == ',') {
		from, unit := i+1, int64(second/10)
		for i = from; i < len(t) && t[i]-'0' <= 9; i++ {
			us += int64(t[i]-'0') * unit
			unit /= 10
		}
		if i == from {
			return 0, false, false
		}
	}
	if i == len(t) {
		return us, false, true
	}
	offset, ok := readOffset(t[i:])
	return us - offset, true, ok
}

// readOffset reads Z, +02:00, +0200 or +02.
func readOffset(t string) (us int64, ok bool) {
	if t == "Z" || t == "z" {
		return 0, true
	}
	if len(t) < 3 || (t[0] != '+' && t[0] != '-') {
		return 0, false
	}
	hours, minutes := pair(t, 1), 0
	switch {
	case len(t) == 3:
	case len(t) == 5:
		minutes = pair(t, 3)
	case len(t) == 6 && t[3] == ':':
		minutes = pair(t, 4)
	default:
		return 0, false
	}
	if hours|minutes < 0 || hours > 23 || minutes > 59 {
		return 0, false
	}
	us = int64(hours*60+minutes) * 60 * second
	if t[0] == '-' {
		us = -us
	}
	return us, true
}

// pair is two digits as a number; negative if they are none.
func pair(t string, i int) int {
	a, b := t[i]-'0', t[i+1]-'0'
	if a > 9 || b > 9 {
		return -1 << 20
	}
	return 10*int(a) + int(b)
}

// local is the time at which a clock in zone shows what a clock in UTC shows at us.
func local(us int64, zone *time.Location, text string) (int64, error) {
	offset := func(us int64) int64 {
		_, seconds := time.UnixMicro(us).In(zone).Zone()
		return int64(seconds) * second
	}
	// The offset is the one that held shortly before or the one that holds shortly after.
	before, after := us-offset(us-day), us-offset(us+day)
	if before == after {
		return before, nil
	}
	early, late := offset(before) == us-before, offset(after) == us-after
	switch {
	case early && late:
		return 0, fmt.Errorf("%s came twice in %s, when the clocks were set back: add an offset", text, zone)
	case early:
		return before, nil
	case late:
		return after, nil
	}
	return 0, fmt.Errorf("%s never was in %s, where the clocks were set forward: add an offset", text, zone)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// days counts from 1970-01-01 in the Gregorian calendar; a year begins in March, so that the leap day is its last (Howard
// Hinnant, "chrono-Compatible Low-Level Date Algorithms").
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // never negative
	era := year / 400
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return int64((era-1)*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468)
}

// date is the reverse of days, from year 1 on.
func date(days int64) (year, month, day int) {
	n := int(days) + 719468
	era := n / 146097
	ofEra := n - era*146097
	years := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*years + years/4 - years/100)
	m := (5*ofYear + 2) / 153
	day = ofYear - (153*m+2)/5 + 1
	year, month = years+era*400, m+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// AppendTime writes RFC 3339 in UTC with as many digits of a second as are needed: 2026-01-31T12:00:00.5Z.
func AppendTime(dst []byte, us int64) []byte {
	n := us / day
	rest := us % day
	if rest < 0 {
		n, rest = n-1, rest+day
	}
	year, month, dayOfMonth := date(n)
	sec, fraction := uint32(rest/second), uint32(rest%second)
	text := [27]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: 'Z'}
	putPair(&text, 0, uint32(year)/100)
	putPair(&text, 2, uint32(year)%100)
	putPair(&text, 5, uint32(month))
	putPair(&text, 8, uint32(dayOfMonth))
	putPair(&text, 11, sec/3600)
	putPair(&text, 14, sec/60%60)
	putPair(&text, 17, sec%60)
	if fraction == 0 {
		return append(dst, text[:20]...)
	}
	text[19] = '.'
	putPair(&text, 20, fraction/10_000)
	putPair(&text, 22, fraction/100%100)
	putPair(&text, 24, fraction%100)
	end := 26
	for text[end-1] == '0' {
		end--
	}
	text[end] = 'Z'
	return append(dst, text[:end+1]...)
}

// putPair writes a number below 100 as two digits.
func putPair(text *[27]byte, i int, n uint32) {
	text[i], text[i+1] = byte('0'+n/10), byte('0'+n%10)
}

// TimeInRange tells whether a time is within the years 1 to 9999.
func TimeInRange(us int64) bool { return us >= firstTime && us < endOfTime }
