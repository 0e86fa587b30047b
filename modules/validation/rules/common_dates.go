package rules

import (
	"strconv"
	"strings"
)

// commonDate tells whether a text is a date or a time as people and programs write them: parts of year, month, day and time of day in
// any usual order, months also by name, with or without weekday, AM/PM and zone. Of two numbers that could be the month, one must be.
func commonDate(text string) bool {
	tokens, ok := dateTokens(strings.ToLower(text))
	if !ok || len(tokens) == 0 || len(tokens) > 40 {
		return false
	}
	var d dateReader
	for i := 0; i < len(tokens); {
		n := d.take(tokens[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return d.valid()
}

// dateTokens are the runs of digits (with a fraction), the words, and the signs of a text; spaces are left out, but for their place.
func dateTokens(text string) (tokens []string, ok bool) {
	for i := 0; i < len(text); {
		c := text[i]
		j := i + 1
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c-'0' <= 9:
			for j < len(text) && text[j]-'0' <= 9 {
				j++
			}
		case c-'a' < 26:
			for j < len(text) && text[j]-'a' < 26 {
				j++
			}
		case strings.IndexByte("-/.,:+'", c) < 0:
			return nil, false
		}
		tokens = append(tokens, text[i:j])
		i = j
	}
	return tokens, true
}

// dateReader holds what was found of a date.
type dateReader struct {
	numbers             []int // of year, month and day, not yet told apart
	year                int   // told by its four digits; −1: none
	hasYear, hasTime    bool
	month               int // told by its name; 0: none
	half, zone, weekday bool
}

func numberToken(token string) (n int, ok bool) {
	if token[0]-'0' > 9 || len(token) > 14 {
		return 0, false
	}
	n, err := strconv.Atoi(token)
	return n, err == nil
}

// take reads what stands first among tokens, and gives how many it has read; 0 if it can be no part of a date.
func (d *dateReader) take(tokens []string) int {
	token := tokens[0]
	if n, ok := numberToken(token); ok {
		if len(tokens) > 2 && tokens[1] == ":" {
			return d.clock(tokens)
		}
		return d.number(token, n, tokens)
	}
	if token[0]-'a' < 26 {
		return d.word(token)
	}
	switch token {
	case "+", "-":
		if d.hasTime && len(tokens) > 1 {
			if n := d.offset(tokens); n > 0 {
				return n
			}
		}
	}
	if token == "+" {
		return 0
	}
	return 1
}

func (d *dateReader) number(token string, n int, tokens []string) int {
	if len(tokens) > 1 && (tokens[1] == "am" || tokens[1] == "pm") && !d.hasTime {
		if n < 1 || n > 12 {
			return 0
		}
		d.hasTime, d.half = true, true
		return 2
	}
	switch len(token) {
	case 1, 2:
		d.numbers = append(d.numbers, n)
	case 4:
		if d.hasYear {
			return 0
		}
		d.year, d.hasYear = n, true
	case 6: // yymmdd, or hhmmss behind a date
		if len(d.numbers) > 0 || d.hasYear {
			d.hasTime = true
			return within(n/10000 < 24 && n/100%100 < 60 && n%100 < 60)
		}
		d.numbers = append(d.numbers, n/10000, n/100%100, n%100)
	case 8, 12, 14: // yyyymmdd, with the time of day behind it
		for len(token) < 14 {
			token += "0"
		}
		n, _ = strconv.Atoi(token)
		if d.hasYear || n/10000%100 > 23 || n/100%100 > 59 || n%100 > 59 {
			return 0
		}
		d.year, d.hasYear, d.hasTime = n/10_000_000_000, true, d.hasTime || len(tokens[0]) > 8
		d.numbers = append(d.numbers, n/100_000_000%100, n/1_000_000%100)
	default:
		return 0
	}
	return 1
}

func within(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// clock reads h:mm, h:mm:ss and fractions.
func (d *dateReader) clock(tokens []string) int {
	if d.hasTime {
		return 0
	}
	d.hasTime = true
	hour, _ := numberToken(tokens[0])
	minute, ok := numberToken(tokens[2])
	if !ok || hour > 23 || minute > 59 || len(tokens[0]) > 2 || len(tokens[2]) > 2 {
		return 0
	}
	n := 3
	if len(tokens) > 4 && tokens[3] == ":" {
		second, ok := numberToken(tokens[4])
		if !ok || second > 59 || len(tokens[4]) > 2 {
			return 0
		}
		n = 5
		if len(tokens) > 6 && (tokens[5] == "." || tokens[5] == ",") && tokens[6][0]-'0' <= 9 {
			n = 7
		}
	}
	return n
}

// offset reads +hh, +hhmm, +hh:mm and −… behind a time of day.
func (d *dateReader) offset(tokens []string) int {
	n, ok := numberToken(tokens[1])
	if !ok || d.zone && len(d.numbers) < 2 {
		return 0
	}
	d.zone = true
	switch {
	case len(tokens[1]) == 4 && n%100 < 60 && n/100 < 24:
		return 2
	case len(tokens[1]) <= 2 && n < 24:
		if len(tokens) > 3 && tokens[2] == ":" {
			minutes, ok := numberToken(tokens[3])
			if !ok || minutes > 59 {
				return 0
			}
			return 4
		}
		return 2
	}
	return 0
}

var zones = []string{"z", "utc", "gmt", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "cet", "cest", "bst", "ist", "jst"}

func (d *dateReader) word(word string) int {
	named := func(names []string) int {
		for i, name := range names {
			if word == name || word == name[:3] || word == "sept" && name == "september" {
				return i + 1
			}
		}
		return 0
	}
	switch month := named(months); {
	case month > 0:
		if d.month > 0 {
			return 0
		}
		d.month = month
		return 1
	case named(weekdays) > 0:
		if d.weekday {
			return 0
		}
		d.weekday = true
		return 1
	}
	switch word {
	case "am", "pm":
		if !d.hasTime || d.half {
			return 0
		}
		d.half = true
		return 1
	case "t", "at", "on", "and", "of", "ad", "m", "st", "nd", "rd", "th":
		return 1
	}
	for _, zone := range zones {
		if word == zone && d.hasTime && !d.zone {
			d.zone = true
			return 1
		}
	}
	return 0
}

// valid tells whether what was found makes a date, in some order of its numbers.
func (d *dateReader) valid() bool {
	if len(d.numbers) > 3 {
		return false
	}
	if len(d.numbers) == 0 {
		return d.hasYear || d.month > 0 || d.hasTime || d.weekday
	}
	year := 2000 // a leap year, where none is told
	if d.hasYear {
		if year = d.year; year == 0 {
			return false
		}
	}
	day := func(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) }
	n := d.numbers
	switch {
	case d.month > 0 && d.hasYear:
		return len(n) == 1 && day(d.month, n[0])
	case d.month > 0 && len(n) == 1:
		return true // of a day, or of a year of two digits
	case d.month > 0 && len(n) == 2:
		return day(d.month, n[0]) || day(d.month, n[1])
	case d.month > 0:
		return false
	case len(n) == 1:
		return n[0] >= 1 && n[0] <= 31 || !d.hasYear
	case len(n) == 2:
		return day(n[0], n[1]) || day(n[1], n[0]) || !d.hasYear && (n[0] >= 1 && n[0] <= 12 || n[1] >= 1 && n[1] <= 12)
	case d.hasYear:
		return false
	}
	return day(n[0], n[1]) || day(n[1], n[0]) || day(n[1], n[2]) || day(n[2], n[1])
}
