package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// exact is a time in UTC, to the second.
func exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// moment is a time in UTC, as exactly as times are kept.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999 UTC") }

// ago is how long before now, or after it, a time is, in one unit.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d.Abs() < time.Second {
		return "just now"
	}
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span is a length of time in its greatest unit.
func span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{365 * 24 * time.Hour, "year"}, {30 * 24 * time.Hour, "month"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int64(d / unit.length); n > 0 {
			return plural(n, unit.name)
		}
	}
	return plural(int64(d/time.Second), "second")
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

// seconds is a length of time given in seconds, to three digits.
func seconds(s float64) string {
	switch {
	case s < 0.001:
		return "under 1 ms"
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 60:
		return fmt.Sprintf("%.3g s", s)
	}
	return span(time.Duration(s * float64(time.Second)))
}

// count is a number with a thin space between thousands; one that is not whole to six digits.
func count(n any) string {
	var text string
	switch n := n.(type) {
	case float64:
		if text = strconv.FormatFloat(n, 'g', 6, 64); n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			text = strconv.FormatInt(int64(n), 10)
		}
	case *int64:
		text = strconv.FormatInt(*n, 10)
	default:
		text = fmt.Sprint(n)
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "−", text[1:]
	}
	whole := len(text)
	if point := strings.IndexAny(text, ".e"); point >= 0 {
		whole = point
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range text {
		if i > 0 && i < whole && (whole-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// size is a number of bytes in its greatest unit, to three digits.
func size(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	of, unit := float64(n), 0
	for ; of >= 999.5 && unit < len(units)-1; unit++ {
		of /= 1000
	}
	if unit == 0 {
		return count(n) + " B"
	}
	return strconv.FormatFloat(of, 'f', max(0, 3-len(strconv.Itoa(int(of)))), 64) + " " + units[unit]
}

// percent is a share of 1 in percent, to one decimal; not all is never 100, and not none never 0.
func percent(share float64) string {
	if share != 0 && share < 0.0005 {
		return "under 0.1 %"
	}
	if share < 1 && share >= 0.9995 {
		return "over 99.9 %"
	}
	return strconv.FormatFloat(math.Round(share*1000)/10, 'f', -1, 64) + " %"
}

func joined(words []string) string { return strings.Join(words, ", ") }

// showJSON is a value as a person reads it: texts without quotes, whole numbers exactly and with separators, others to six digits, what was cut off
// with an ellipsis.
func showJSON(raw json.RawMessage) string {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return shorten(v)
	case float64:
		if text := string(raw); v == math.Trunc(v) && math.Abs(v) >= 1<<53 {
			return text // no float stands for all of its digits
		}
		return count(v)
	}
	return shorten(plainJSON(raw, jsontext.Multiline(false)))
}

// plainJSON is JSON with its numbers as they are and no more escaped than need be.
func plainJSON(raw json.RawMessage, options ...jsontext.Options) string {
	text := jsontext.Value(slices.Clone(raw))
	if err := text.Format(append(options, jsontext.PreserveRawStrings(false))...); err != nil {
		return string(raw)
	}
	return string(text)
}

const longest = 300

// shorten cuts a text that is too long for a page.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}

// textOf is JSON as it stands, indented.
func textOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	return plainJSON(raw, jsontext.Multiline(true), jsontext.WithIndent("  "))
}

// symbol stands beside a colour, so that nobody depends on colours.
func symbol(state string) string {
	switch state {
	case "pass", "ok", "succeeded", "active", "PRESENT", "written", "resolved", "ready", "done", "published", "delivered", "frozen", "healthy", "fresh", "complete":
		return "✓"
	case "fail", "failed", "error", "firing", "refused", "not ready", "failing", "dead", "broken", "unavailable", "alert":
		return "✕"
	case "warn", "draft", "held", "waiting", "acknowledged", "not frozen", "deprecated", "OUTSIDE_MAX_AGE", "warned", "late", "incomplete":
		return "!"
	case "running", "queued", "due", "ordered":
		return "▸"
	}
	return "–"
}

// linkTo is the page of a definition.
func linkTo(kind, name string) string {
	switch kind {
	case "group":
		return "/admin" + path("groups", name)
	case "entity_type":
		return "/admin" + path("entity-types", name)
	case "service":
		return "/admin" + path("services", name)
	case "pipeline":
		return "/admin" + path("pipelines", name)
	case "schedule":
		return "/admin" + path("schedules", name)
	case "rule":
		return "/admin" + path("rules", name)
	case "feature":
		group, feature, _ := strings.Cut(name, ":")
		return "/admin" + path("features", group, feature)
	}
	return "/admin/catalogue?search=" + url.QueryEscape(name)
}
