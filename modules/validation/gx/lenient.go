package gx

import "strings"

// Lenient rewrites what Python writes into JSON although it is none, outside of strings: NaN as null, since it is missing to pandas,
// and infinities as ±1e999, which is beyond every float.
func Lenient(text string) string {
	if !strings.Contains(text, "NaN") && !strings.Contains(text, "Infinity") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		switch {
		case text[i] == '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			b.WriteString(text[i:end])
			i = end
		case strings.HasPrefix(text[i:], "NaN"):
			b.WriteString("null")
			i += len("NaN")
		case strings.HasPrefix(text[i:], "Infinity"):
			b.WriteString("1e999")
			i += len("Infinity")
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return b.String()
}
