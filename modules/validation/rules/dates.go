package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dateFormat is a format of directives as strptime has them, taken apart.
type dateFormat struct {
	parts []datePart
}

// datePart is a directive, or text that stands there to the letter; a space stands for any run of spaces.
type datePart struct {
	directive byte // 0: text
	text      string
}

var composed = map[byte]string{'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'R': "%H:%M", 'x': "%m/%d/%y", 'X': "%H:%M:%S", 'c': "%a %b %d %H:%M:%S %Y"}

func newDateFormat(format string) (*dateFormat, error) {
	f := &dateFormat{}
	if err := f.add(format); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *dateFormat) add(format string) error {
	text := func(s string) {
		if n := len(f.parts); n > 0 && f.parts[n-1].directive == 0 {
			f.parts[n-1].text += s
			return
		}
		f.parts = append(f.parts, datePart{text: s})
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			text(format[i : i+1])
			continue
		}
		if i++; i == len(format) {
			return fmt.Errorf("ends in %%: write %%%% for a percent sign")
		}
		switch c := format[i]; {
		case c == '%':
			text("%")
		case composed[c] != "":
			if err := f.add(composed[c]); err != nil {
				return err
			}
		case strings.IndexByte("YymdeHIpMSfzZjbBhaAUWwGVu", c) >= 0:
			f.parts = append(f.parts, datePart{directive: c})
		default:
			return fmt.Errorf("%%%c is no directive: use %%Y %%y %%m %%d %%e %%H %%I %%p %%M %%S %%f %%z %%Z %%j %%b %%B %%a %%A %%U %%W %%w %%G %%V %%u %%c %%x %%X %%%%", c)
		}
	}
	return nil
}

var (
	months   = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
	weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)

// dateParts are what has been read so far.
type dateParts struct {
	year, month, day, ofYear int
	hasYear, hasDay          bool
}

// reads tells whether a text is a date by the format, whole. Numbers may have fewer digits than their directive's width, as long as
// what follows can still be read.
func (f *dateFormat) reads(text string) bool {
	steps := 0
	return readParts(f.parts, strings.ToLower(text), dateParts{year: 1900, month: 1, day: 1}, &steps)
}

// maxSteps bounds how often a date is tried to be read in another way.
const maxSteps = 10_000

func readParts(parts []datePart, text string, so dateParts, steps *int) bool {
	if *steps++; *steps > maxSteps {
		return false
	}
	if len(parts) == 0 {
		return text == "" && so.exists()
	}
	p, rest := parts[0], parts[1:]
	if p.directive == 0 {
		left, ok := passText(strings.ToLower(p.text), text)
		return ok && readParts(rest, left, so, steps)
	}
	number := func(least, most, from, to int, set func(n int)) bool {
		for digits := most; digits >= least; digits-- { // the longest first
			n, ok := digitsOf(text, digits)
			if !ok || n < from || n > to {
				continue
			}
			before := so
			set(n)
			if readParts(rest, text[digits:], so, steps) {
				return true
			}
			so = before
		}
		return false
	}
	word := func(names []string, set func(i int)) bool {
		for i, name := range names {
			if left, ok := strings.CutPrefix(text, name); ok {
				before := so
				set(i)
				if readParts(rest, left, so, steps) {
					return true
				}
				so = before
			}
		}
		return false
	}
	nothing := func(int) {}
	switch p.directive {
	case 'Y', 'G':
		return number(4, 4, 1, 9999, func(n int) { so.year, so.hasYear = n, true })
	case 'y':
		return number(2, 2, 0, 99, func(n int) {
			so.year, so.hasYear = 1900+n, true
			if n < 69 {
				so.year += 100
			}
		})
	case 'm':
		return number(1, 2, 1, 12, func(n int) { so.month = n })
	case 'd', 'e':
		if p.directive == 'd' && strings.HasPrefix(text, " ") { // a day of one digit may be filled up with a space
			text = text[1:]
			return number(1, 1, 1, 9, func(n int) { so.day, so.hasDay = n, true })
		}
		return number(1, 2, 1, 31, func(n int) { so.day, so.hasDay = n, true })
	case 'H':
		return number(1, 2, 0, 23, nothing)
	case 'I':
		return number(1, 2, 1, 12, nothing)
	case 'M':
		return number(1, 2, 0, 59, nothing)
	case 'S':
		return number(1, 2, 0, 61, nothing)
	case 'f':
		return number(1, 6, 0, 999_999, nothing)
	case 'j':
		return number(1, 3, 1, 366, func(n int) { so.ofYear = n })
	case 'U', 'W':
		return number(1, 2, 0, 53, nothing)
	case 'V':
		return number(1, 2, 1, 53, nothing)
	case 'w':
		return number(1, 1, 0, 6, nothing)
	case 'u':
		return number(1, 1, 1, 7, nothing)
	case 'p':
		return word([]string{"am", "pm"}, nothing)
	case 'B':
		return word(months, func(i int) { so.month = i + 1 })
	case 'b', 'h':
		return word(shortened(months), func(i int) { so.month = i + 1 })
	case 'A':
		return word(weekdays, nothing)
	case 'a':
		return word(shortened(weekdays), nothing)
	case 'z':
		return readOffset(text, func(left string) bool { return readParts(rest, left, so, steps) })
	case 'Z':
		return word([]string{"utc", "gmt", "z"}, nothing)
	}
	return false
}

// exists tells whether there is such a day; without a year, 29 February is none, since 1900 stands for it.
func (d dateParts) exists() bool {
	if d.ofYear == 366 && d.hasYear && time.Date(d.year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay() != 366 {
		return false
	}
	return d.day <= daysIn(d.year, d.month)
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func shortened(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = name[:3]
	}
	return short
}

// passText passes over text that must stand there.
func passText(expected, text string) (left string, ok bool) {
	for i := 0; i < len(expected); i++ {
		if expected[i] == ' ' || expected[i] == '\t' || expected[i] == '\n' {
			trimmed := strings.TrimLeft(text, " \t\n\r\f\v")
			if len(trimmed) == len(text) {
				return "", false
			}
			text = trimmed
			for i+1 < len(expected) && (expected[i+1] == ' ' || expected[i+1] == '\t' || expected[i+1] == '\n') {
				i++
			}
			continue
		}
		if text == "" || text[0] != expected[i] {
			return "", false
		}
		text = text[1:]
	}
	return text, true
}

func digitsOf(text string, n int) (int, bool) {
	if len(text) < n {
		return 0, false
	}
	for i := range n {
		if text[i]-'0' > 9 {
			return 0, false
		}
	}
	number, err := strconv.Atoi(text[:n])
	return number, err == nil
}

// readOffset reads z, ±hhmm, ±hh:mm and either with seconds.
func readOffset(text string, then func(left string) bool) bool {
	if left, ok := strings.CutPrefix(text, "z"); ok {
		return then(left)
	}
	if text == "" || text[0] != '+' && text[0] != '-' {
		return false
	}
	text = text[1:]
	if hours, ok := digitsOf(text, 2); !ok || hours > 23 {
		return false
	}
	text = text[2:]
	colon := strings.HasPrefix(text, ":")
	if colon {
		text = text[1:]
	}
	if minutes, ok := digitsOf(text, 2); !ok || minutes > 59 {
		return false
	}
	text = text[2:]
	if then(text) {
		return true
	}
	if colon {
		after, ok := strings.CutPrefix(text, ":")
		if !ok {
			return false
		}
		text = after
	}
	seconds, ok := digitsOf(text, 2)
	return ok && seconds < 60 && then(text[2:])
}
