package value

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendJSON writes a value as JSON: whole floats as 1.0, times as strings (RFC 3339 in UTC), JSON as it is; null and absent as null.
func AppendJSON(dst []byte, v Value) []byte {
	switch v.kind {
	case Float:
		return appendFloat(dst, v.Float())
	case Integer:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case String:
		return AppendJSONString(dst, v.text)
	case Timestamp:
		return append(AppendTime(append(dst, '"'), v.Time()), '"')
	case JSON:
		return append(dst, v.text...)
	}
	if v.kind.Array() {
		return appendArray(dst, v)
	}
	return append(dst, "null"...)
}

// AppendText writes a value as the text of a CSV cell, before quoting: strings and times bare, arrays and JSON as JSON, null and
// absent as nothing.
func AppendText(dst []byte, v Value) []byte {
	switch v.kind {
	case String:
		return append(dst, v.text...)
	case Timestamp:
		return AppendTime(dst, v.Time())
	case Invalid, null:
		return dst
	}
	return AppendJSON(dst, v)
}

func appendArray(dst []byte, v Value) []byte {
	dst = append(dst, '[')
	rest := v.text
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch v.kind {
		case FloatArray:
			dst = appendFloat(dst, math.Float64frombits(word(v.text, i)))
		case IntegerArray:
			dst = strconv.AppendInt(dst, int64(word(v.text, i)), 10)
		case TimestampArray:
			dst = append(AppendTime(append(dst, '"'), int64(word(v.text, i))), '"')
		case BooleanArray:
			dst = strconv.AppendBool(dst, v.text[i] != 0)
		case StringArray:
			n := 4 + int(uint32(rest[0])|uint32(rest[1])<<8|uint32(rest[2])<<16|uint32(rest[3])<<24)
			dst, rest = AppendJSONString(dst, rest[4:n]), rest[n:]
		}
	}
	return append(dst, ']')
}

// escaped marks the bytes that cannot stand in a JSON string as they are, and those that need a closer look.
var escaped = func() (table [256]bool) {
	for c := range table {
		table[c] = c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return table
}()

// AppendJSONStrings writes a JSON array of strings.
func AppendJSONStrings(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, text)
	}
	return append(dst, ']')
}

// AppendJSONString writes a JSON string, with U+FFFD for bytes that are not valid UTF-8.
func AppendJSONString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start, i := 0, 0
	for i < len(s) {
		c := s[i]
		if !escaped[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
