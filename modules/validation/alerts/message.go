package alerts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Message is what one notification tells: alerts of one group and run.
type Message struct {
	Group string `json:"group"`
	Run   int64  `json:"run,omitempty"`
	Test  bool   `json:"test,omitempty"`
	Items []Item `json:"alerts"`
}

// Item is one alert of a message, as it was when the notification was made out.
type Item struct {
	Event       Event      `json:"event"`
	Alert       int64      `json:"alert"`
	Rule        string     `json:"rule"`
	RuleVersion int        `json:"rule_version,omitempty"`
	Group       string     `json:"group"`
	Feature     string     `json:"feature,omitempty"`
	Class       Class      `json:"class"`
	Owner       string     `json:"owner,omitempty"`
	Severity    Severity   `json:"severity"`
	Status      Status     `json:"status"`
	Observed    string     `json:"observed,omitempty"`
	Expected    string     `json:"expected,omitempty"`
	Sentence    string     `json:"sentence,omitempty"`
	Run         int64      `json:"run,omitempty"`
	Since       time.Time  `json:"since"`
	ResolvedAt  *time.Time `json:"resolved_at,omitempty"`
	Resolution  string     `json:"resolution,omitempty"`
}

func (a *Alert) item(event Event) Item {
	item := Item{
		Event: event, Alert: a.ID, Rule: a.Rule, RuleVersion: a.RuleVersion, Group: a.Group, Feature: a.Feature, Class: a.Class, Owner: a.Owner,
		Severity: a.Severity, Status: a.Status, Observed: a.Observed, Expected: a.Expected, Sentence: a.Sentence, Run: a.Run,
		Since: a.Since, Resolution: a.Resolution,
	}
	if !a.ResolvedAt.IsZero() {
		item.ResolvedAt = &a.ResolvedAt
	}
	return item
}

// Subject is what the alert is about: group:feature, or the group.
func (i *Item) Subject() string {
	if i.Feature == "" {
		return i.Group
	}
	return i.Group + ":" + i.Feature
}

// fingerprint is the same for all alerts of one rule, group and feature.
func (i *Item) fingerprint() string {
	sum := sha256.Sum256([]byte(i.Group + "\x00" + i.Rule + "\x00" + i.Feature))
	return hex.EncodeToString(sum[:8])
}

// firing tells whether anything of the message is not resolved.
func (m *Message) firing() bool {
	return slices.ContainsFunc(m.Items, func(i Item) bool { return i.Event != EventResolved })
}

// severity is the highest of what fires, or of all if nothing does.
func (m *Message) severity() Severity {
	var highest Severity
	for _, item := range m.Items {
		if item.Event != EventResolved || !m.firing() {
			highest = higher(highest, item.Severity)
		}
	}
	return highest
}

// title is the message in one line.
func (m *Message) title() string {
	text := "resolved"
	if m.firing() {
		text = string(m.severity())
	}
	if m.Test {
		return "[test] " + m.Items[0].Sentence
	}
	if len(m.Items) == 1 {
		return fmt.Sprintf("[%s] %s on %s", text, m.Items[0].Rule, m.Items[0].Subject())
	}
	return fmt.Sprintf("[%s] %d alerts of %s", text, len(m.Items), m.Group)
}

const stamp = "2006-01-02 15:04:05 UTC"

// lines says of an alert what one needs to act; the first line names it.
func (i *Item) lines() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	word := map[Event]string{EventNew: "firing", EventRisen: "severity raised", EventRepeated: "still firing", EventResolved: "resolved"}[i.Event]
	add("%s (%s): rule %s on %s", word, i.Severity, i.Rule, i.Subject())
	if i.Sentence != "" {
		add("%s", i.Sentence)
	}
	if i.Observed != "" || i.Expected != "" {
		add("observed %s, expected %s", orNothing(i.Observed), orNothing(i.Expected))
	}
	about := "since " + i.Since.UTC().Format(stamp)
	if i.ResolvedAt != nil {
		about += " until " + i.ResolvedAt.UTC().Format(stamp)
	}
	if i.Run != 0 {
		about += fmt.Sprintf(", run %d", i.Run)
	}
	if i.Owner != "" {
		about += ", owner " + i.Owner
	}
	add("%s", about)
	if i.Resolution != "" {
		add("%s", i.Resolution)
	}
	return lines
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// link is the admin page that shows an alert, "" if the server's address is not known.
func (c *Config) link(alert int64) string {
	if c.ExternalAddress == "" || alert == 0 {
		return ""
	}
	return fmt.Sprintf("%s/admin/alerts?id=%d", strings.TrimRight(c.ExternalAddress, "/"), alert)
}
