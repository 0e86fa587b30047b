package jsonscan

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load is the eight bytes at i, the first one lowest.
func load(t string, i int) uint64 {
	b := t[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// plain is the position of the first byte from i on that is a quote, a backslash, a control character or not ASCII, or the end.
func plain(t string, i int) int {
	for i+8 <= len(t) {
		w := load(t, i)
		quote, back := w^'"'*ones, w^'\\'*ones
		// A byte that is to be found gets its high bit; one above it may get it too, so only the lowest counts.
		if found := ((quote-ones)&^quote | (back-ones)&^back | (w - 0x20*ones) | w) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
		i += 8
	}
	for i < len(t) && t[i] >= 0x20 && t[i] < utf8.RuneSelf && t[i] != '"' && t[i] != '\\' {
		i++
	}
	return i
}

// quoted reads a string whose opening quote is at i.
func (s *Scanner) quoted(i int) int {
	t := s.text
	for i++; ; {
		i = plain(t, i)
		switch {
		case i >= len(t):
			return s.ended()
		case t[i] == '"':
			return i + 1
		case t[i] == '\\':
			if i = s.escape(i); i < 0 {
				return -1
			}
		case t[i] < 0x20:
			return s.fail(i, "a string holds the control character U+%04X, which must be escaped", t[i])
		default:
			r, size := utf8.DecodeRuneInString(t[i:])
			if r == utf8.RuneError && size == 1 {
				if !utf8.FullRuneInString(t[i:]) {
					return s.ended()
				}
				return s.fail(i, "a string holds invalid UTF-8: the byte 0x%02x", t[i])
			}
			i += size
		}
	}
}

// escape reads one escape, or a pair of them that make one character.
func (s *Scanner) escape(i int) int {
	t := s.text
	if i+1 >= len(t) {
		return s.ended()
	}
	switch t[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		r, _ := utf8.DecodeRuneInString(t[i+1:])
		return s.fail(i, "a string holds \\%c, which is no escape of JSON", r)
	}
	if i+6 > len(t) {
		return s.ended()
	}
	r := hex(t[i+2 : i+6])
	switch {
	case r < 0:
		return s.fail(i, "\\u takes four hexadecimal digits")
	case r == 0:
		return s.fail(i, "a string holds NUL (\\u0000), which is refused")
	case !utf16.IsSurrogate(r):
		return i + 6
	}
	if i+12 > len(t) {
		if rest := t[i+6:]; rest == "" || rest == "\\" || strings.HasPrefix(rest, "\\u") && !strings.Contains(rest, `"`) {
			return s.ended()
		}
	} else if t[i+6] == '\\' && t[i+7] == 'u' && utf16.DecodeRune(r, hex(t[i+8:i+12])) != utf8.RuneError {
		return i + 12
	}
	return s.fail(i, "a string holds half of a character: the lone surrogate %s", t[i:i+6])
}

// hex is the number that four hexadecimal digits make, or -1.
func hex(digits string) (r rune) {
	for i := range 4 {
		c := digits[i]
		switch {
		case digit(c):
			c -= '0'
		case c|0x20-'a' < 6:
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// Unquote is the content of a raw string that has been checked. Without escapes it shares the memory of raw.
func Unquote(raw string) string {
	content := raw[1 : len(raw)-1]
	i := strings.IndexByte(content, '\\')
	if i < 0 {
		return content
	}
	b := make([]byte, 0, len(content))
	for i >= 0 {
		b = append(b, content[:i]...)
		c, size := content[i+1], 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		}
		if c == 'u' {
			r := hex(content[i+2 : i+6])
			size = 6
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hex(content[i+8:i+12]))
				size = 12
			}
			b = utf8.AppendRune(b, r)
		} else {
			b = append(b, c)
		}
		content = content[i+size:]
		i = strings.IndexByte(content, '\\')
	}
	return string(append(b, content...))
}

// Minify is a checked value without the space between its tokens. If there is none it is raw itself.
func Minify(raw string) string {
	i := gap(raw, 0)
	if i == len(raw) {
		return raw
	}
	b := make([]byte, 0, len(raw))
	for start := 0; ; {
		b = append(b, raw[start:i]...)
		for i < len(raw) && raw[i] <= ' ' {
			i++
		}
		if i == len(raw) {
			return string(b)
		}
		start, i = i, gap(raw, i)
	}
}

// gap is the position of the first space outside of strings from i on, or the length.
func gap(raw string, i int) int {
	for ; i < len(raw); i++ {
		switch raw[i] {
		case ' ', '\n', '\t', '\r':
			return i
		case '"':
			i = endOfString(raw, i) - 1
		}
	}
	return i
}

// toValid keeps an error message valid UTF-8 that a store can take.
func toValid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
