package jsonscan

import (
	"fmt"
	"unicode/utf8"
)

// The functions below read from position i and answer the position behind, or -1 with s.err set.

func (s *Scanner) fail(i int, format string, args ...any) int {
	s.err = &Error{Offset: i, Message: fmt.Sprintf(format, args...)}
	return -1
}

func (s *Scanner) ended() int {
	s.err = &Error{Offset: len(s.text), Message: "the text ends in the middle of a value", Incomplete: true}
	return -1
}

func (s *Scanner) space(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\t' || s.text[i] == '\r') {
		i++
	}
	return i
}

// skip reads one value that begins at i.
func (s *Scanner) skip(i int) int {
	if i >= len(s.text) {
		return s.ended()
	}
	switch kinds[s.text[i]] {
	case String:
		return s.quoted(i)
	case Number:
		return s.number(i)
	case Object:
		return s.skipObject(i)
	case Array:
		return s.skipArray(i)
	case Null:
		return s.word(i, "null")
	case Bool:
		if s.text[i] == 't' {
			return s.word(i, "true")
		}
		return s.word(i, "false")
	}
	return s.noValue(i)
}

func (s *Scanner) skipObject(i int) int {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(i, "nested deeper than %d", MaxDepth)
	}
	set := s.open()
	i = s.space(i + 1)
	if i < len(s.text) && s.text[i] == '}' {
		s.depth--
		return i + 1
	}
	for more := true; more; {
		name, start := s.member(i, &set)
		if start < 0 {
			return -1
		}
		if i = s.skip(start); i < 0 {
			within(s.err, name)
			return -1
		}
		if i, more = s.next(i, '}'); i < 0 {
			return -1
		}
	}
	s.close(set)
	s.depth--
	return i
}

func (s *Scanner) skipArray(i int) int {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(i, "nested deeper than %d", MaxDepth)
	}
	i = s.space(i + 1)
	if i < len(s.text) && s.text[i] == ']' {
		s.depth--
		return i + 1
	}
	n := 0
	for more := true; more; n++ {
		if i = s.skip(i); i < 0 {
			withinElement(s.err, n)
			return -1
		}
		if i, more = s.next(i, ']'); i < 0 {
			return -1
		}
	}
	s.depth--
	return i
}

// next reads the comma after a member or element, and the space behind it, or the closing bracket.
func (s *Scanner) next(i int, closing byte) (end int, more bool) {
	i = s.space(i)
	if i >= len(s.text) {
		return s.ended(), false
	}
	switch s.text[i] {
	case ',':
		i = s.space(i + 1)
		if i < len(s.text) && s.text[i] == closing {
			return s.fail(i, "a comma before %c", closing), false
		}
		return i, true
	case closing:
		return i + 1, false
	}
	return s.fail(i, "expected a comma or %c, got %s", closing, s.glimpse(i)), false
}

// member reads a name that begins at i, and its colon; start is where the value begins. A name that set has already is an error.
func (s *Scanner) member(i int, set *names) (name string, start int) {
	if i >= len(s.text) {
		return "", s.ended()
	}
	if s.text[i] != '"' {
		return "", s.fail(i, "expected a member's name in double quotes, got %s", s.glimpse(i))
	}
	end := s.quoted(i)
	if end < 0 {
		return "", -1
	}
	name = Unquote(s.text[i:end])
	if !s.add(set, name) {
		return "", s.fail(i, "the member %q stands twice in the same object", name)
	}
	i = s.space(end)
	if i >= len(s.text) {
		return "", s.ended()
	}
	if s.text[i] != ':' {
		return "", s.fail(i, "expected a colon after the member's name %q, got %s", name, s.glimpse(i))
	}
	return name, s.space(i + 1)
}

func (s *Scanner) word(i int, word string) int {
	end := i + len(word)
	if end <= len(s.text) && s.text[i:end] == word {
		if end == len(s.text) || !letter(s.text[end]) {
			return end
		}
	} else if len(s.text) < end && s.text[i:] == word[:len(s.text)-i] {
		return s.ended()
	}
	return s.noValue(i)
}

func digit(c byte) bool  { return c-'0' <= 9 }
func letter(c byte) bool { return c|0x20-'a' < 26 || digit(c) || c == '_' || c >= utf8.RuneSelf }

// number reads a number by the grammar of JSON; its spelling is kept.
func (s *Scanner) number(i int) int {
	t, start := s.text, i
	if t[i] == '-' {
		i++
	}
	switch {
	case i >= len(t):
		return s.ended()
	case t[i] == '0':
		i++
		if i < len(t) && digit(t[i]) {
			return s.fail(start, "a number must not begin with a zero: %s", s.glimpse(start))
		}
	case digit(t[i]):
		for i++; i < len(t) && digit(t[i]); i++ {
		}
	default:
		return s.noValue(start)
	}
	if i < len(t) && t[i] == '.' {
		if i = s.digits(start, i+1); i < 0 {
			return -1
		}
	}
	if i < len(t) && t[i]|0x20 == 'e' {
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		if i = s.digits(start, i); i < 0 {
			return -1
		}
	}
	if i < len(t) && letter(t[i]) {
		return s.noValue(start)
	}
	return i
}

// digits reads at least one digit of the number that begins at start.
func (s *Scanner) digits(start, i int) int {
	t, from := s.text, i
	for i < len(t) && digit(t[i]) {
		i++
	}
	if i > from {
		return i
	}
	if i >= len(t) {
		return s.ended()
	}
	return s.noValue(start)
}

// noValue is the error for a token that is no JSON value.
func (s *Scanner) noValue(i int) int {
	token := s.glimpse(i)
	switch token {
	case "NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "Inf", "-Inf", "-NaN":
		return s.fail(i, "%s is no JSON number: send null, or leave the member out", token)
	case "None", "True", "False":
		return s.fail(i, "%s is Python: JSON writes null, true and false", token)
	}
	if s.text[i] == '\'' {
		return s.fail(i, "strings take double quotes: %s", token)
	}
	return s.fail(i, "expected a value, got %s", token)
}

// glimpse is the token at i, or one character, for an error message.
func (s *Scanner) glimpse(i int) string {
	if i >= len(s.text) {
		return "the end of the text"
	}
	r, size := utf8.DecodeRuneInString(s.text[i:])
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("the byte 0x%02x", s.text[i])
	case r < 0x20 || r == 0x7f:
		return fmt.Sprintf("U+%04X", r)
	}
	end := i
	for end < len(s.text) && end < i+40 && (letter(s.text[end]) || s.text[end] == '-' || s.text[end] == '+' || s.text[end] == '.') {
		end++
	}
	return toValid(s.text[i:max(end, i+size)])
}
