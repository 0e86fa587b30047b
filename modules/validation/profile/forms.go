package profile

import "strings"

// Form is a common form of texts.
type Form struct {
	Name    string
	Pattern string // RE2, of the whole text
	matches func(string) bool
}

// forms are told apart, the more special first: the first that all values have is proposed. Each function says what its pattern says, without
// the cost of a regular expression.
var forms = [...]Form{
	{"UUID", `^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`, isUUID},
	{"e-mail address", `^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$`, isEmail},
	{"date", `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`, isDate},
	{"time", `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$`, isTime},
	{"country code (two letters)", `^[A-Z]{2}$`, func(s string) bool { return len(s) == 2 && all(s, upper) }},
	{"country or currency code (three letters)", `^[A-Z]{3}$`, func(s string) bool { return len(s) == 3 && all(s, upper) }},
	{"phone number", `^\+[0-9]{7,15}$`, func(s string) bool { return len(s) >= 8 && len(s) <= 16 && s[0] == '+' && all(s[1:], digit) }},
	{"IPv4 address", `^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`, isIPv4},
	{"web address", `^https?://[!-~]+$`, isURL},
	{"digits", `^[0-9]+$`, func(s string) bool { return s != "" && all(s, digit) }},
}

// Classes of characters.
const (
	digit = 1 << iota
	upper
	lower
	hexLetter
	mailbox // ._%+-
	host    // .-
	visible // 0x21 to 0x7e
)

var classes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = digit
		case c >= 'A' && c <= 'Z':
			table[c] = upper
		case c >= 'a' && c <= 'z':
			table[c] = lower
		}
		if c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f' {
			table[c] |= hexLetter
		}
		if c < 128 && strings.IndexByte("._%+-", byte(c)) >= 0 {
			table[c] |= mailbox
		}
		if c == '.' || c == '-' {
			table[c] |= host
		}
		if c > ' ' && c < 127 {
			table[c] |= visible
		}
	}
	return table
}()

// all tells whether every byte is of one of the classes.
func all(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// longestForm is how many bytes a text may have that has a form; longer ones are not looked at.
const longestForm = 256

// countForms counts the forms that a text has.
func countForms(counts *[len(forms)]int64, s string) {
	if s == "" || len(s) > longestForm {
		return
	}
	for i := range forms {
		if forms[i].matches(s) {
			counts[i]++
		}
	}
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && all(s[:8], digit|hexLetter) && all(s[9:13], digit|hexLetter) &&
		all(s[14:18], digit|hexLetter) && all(s[19:23], digit|hexLetter) && all(s[24:], digit|hexLetter)
}

func isEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || !all(s[:at], digit|upper|lower|mailbox) {
		return false
	}
	domain := s[at+1:]
	dot := strings.LastIndexByte(domain, '.')
	return dot > 0 && len(domain)-dot > 2 && all(domain[dot+1:], upper|lower) && all(domain[:dot], digit|upper|lower|host)
}

func isDate(s string) bool { return len(s) == 10 && startsWithDate(s) }

func startsWithDate(s string) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' || !all(s[:4], digit) || !all(s[5:7], digit) || !all(s[8:10], digit) {
		return false
	}
	month, day := s[5:7], s[8:10]
	return month >= "01" && month <= "12" && day >= "01" && day <= "31"
}

func isTime(s string) bool {
	if len(s) < 16 || !startsWithDate(s) || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || !below(s[11:13], "23") || !below(s[14:16], "59") {
		return false
	}
	s = s[16:]
	if len(s) >= 3 && s[0] == ':' {
		if !below(s[1:3], "59") {
			return false
		}
		if s = s[3:]; s != "" && s[0] == '.' {
			n := 1
			for n < len(s) && classes[s[n]]&digit != 0 {
				n++
			}
			if n == 1 {
				return false
			}
			s = s[n:]
		}
	}
	switch {
	case s == "" || s == "Z":
		return true
	case s[0] != '+' && s[0] != '-':
		return false
	case len(s) == 5:
		return all(s[1:], digit)
	}
	return len(s) == 6 && s[3] == ':' && all(s[1:3], digit) && all(s[4:], digit)
}

// below tells whether two characters are digits, together at most the other two.
func below(s, most string) bool { return all(s, digit) && s <= most }

func isIPv4(s string) bool {
	if len(s) < 7 || len(s) > 15 {
		return false
	}
	parts := 0
	for rest, more := s, true; more; parts++ {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		if len(part) < 1 || len(part) > 3 || !all(part, digit) {
			return false
		}
	}
	return parts == 4
}

func isURL(s string) bool {
	rest, ok := strings.CutPrefix(s, "http")
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, "s")
	rest, ok = strings.CutPrefix(rest, "://")
	return ok && rest != "" && all(rest, visible)
}
