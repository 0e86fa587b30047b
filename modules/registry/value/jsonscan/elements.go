package jsonscan

import "strings"

// Elements goes through an array that has been checked, one element after the other.
type Elements struct {
	text string
	at   int
}

// ElementsOf begins an array; raw has no space around it.
func ElementsOf(raw string) Elements { return Elements{text: raw, at: 1} }

// Next is the raw text of the next element; false after the last one.
func (e *Elements) Next() (raw string, ok bool) {
	t, i := e.text, e.at
	for t[i] <= ' ' || t[i] == ',' {
		i++
	}
	if t[i] == ']' {
		e.at = i
		return "", false
	}
	e.at = endOf(t, i)
	return t[i:e.at], true
}

// endOf is the position behind the checked value at i.
func endOf(t string, i int) int {
	switch t[i] {
	case '"':
		return endOfString(t, i)
	case '{', '[':
		for depth := 0; ; {
			switch t[i] {
			case '"':
				i = endOfString(t, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for t[i] != ',' && t[i] != ']' && t[i] != '}' && t[i] > ' ' {
		i++
	}
	return i
}

// endOfString is the position behind the checked string whose opening quote is at i.
func endOfString(t string, i int) int {
	for i++; ; i++ {
		i += strings.IndexByte(t[i:], '"')
		escapes := i
		for t[escapes-1] == '\\' {
			escapes--
		}
		if (i-escapes)%2 == 0 {
			return i + 1
		}
	}
}
