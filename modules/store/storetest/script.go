package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/registry/value"
)

// A script is a file of cases: what is stored, what is asked, what must be answered.
//
//	# Lines that begin with # say something to the reader.
//	entity customer(customer_id STRING)
//	group spending of customer ttl 10d (count INTEGER, amount FLOAT)
//
//	case of two observations at the same time the later one wins
//	  write customer c1 @5d count=1 amount=2.5
//	  write customer c1 @5d count=2
//	  expect customer c1: count=2@5d amount=2.5@5d
//	  expect customer c1 at 4d: count=never amount=never
//
// What stands before the first case holds for all of them. Every case has entity types and groups of its own, which the reader
// numbers behind the scenes. Times count from 2040-01-01; the clock of a case begins at 100d. A time is 5d, 4d23h, 5d+1us, 5d-1us or
// 2039-12-31T23:59:59Z. Entities are named as in an URL: c1, a%2Fb, driver_id=1,region=eu. Values are JSON; null is an explicit null.
//
//	entity E(KEY TYPE, …)              an entity type and its join keys
//	group G of E [ttl D] (F TYPE, …)   a group of features
//	events G of E [id F] (F TYPE, …)   a group of events, whose repeated rows are known by a feature
//	id G F                             declares that feature later; none: gives it up
//	add G F TYPE                       adds a feature to a group
//	retype G F TYPE [asked]            gives a feature another value type, allowing what that breaks, unless it only asks
//	rename G F NAME                    gives a feature another name
//	ttl G D                            changes a group's TTL; none: for ever
//	write E ID [@TIME] F=VALUE …       stores one observation in one call; without a time: dated now
//	write E:                           the same for the lines ID [@TIME] F=VALUE … below, in one call
//	load G [OPTION …]:                 loads the lines ID [@TIME] F=VALUE … below
//	    csv ndjson json json_rows      in that format; ndjson unless said
//	    nulls=skip on_error=skip create=true  as in POST /rows
//	    stored=N rejected=N duplicate=N  what the answer must count
//	duplicates N                       how many observations of the last write were there already
//	revert                             takes back what the last load brought
//	retract E ID TIME [F …]            takes one observation back, or these features of it
//	online OUTCOME                     what the last write answered of its online half: written, pending or none
//	lose G                             empties a group's online copy, as a server that came back without its data
//	clock TIME                         moves the clock
//	materialize [full|rebuild]         brings all groups of the case online
//	expect [WAY] E ID [at TIME]: F=ANSWER …     asks
//	train F …:                         asks for a training set, with the lines ID … @TIME -> ANSWER … below: an ID for each
//	                                   entity type in the order of the features, an answer for each feature
//	history E ID F …:                  asks for all observations, newest first: lines @TIME ANSWER …, where - is: not observed
//	export G [latest]:                 asks for a group's rows: lines ID @TIME F=VALUE …, in any order
//	count G N                          the number of a group's rows in history
//	refuse SLUG STATEMENT              the statement fails with that problem, and changes nothing
//
// An ANSWER is VALUE@TIME, null@TIME, expired@TIME or never: the value, its status and its event time. expect without a
// time asks as of now, from the online copy (before and after materialization, incremental and full), from history in its place, as it was at
// that moment, and by a row of a training set: all must give that answer. With a time, or for one WAY (online, offline, at,
// training), only those are asked that are named or can be. A feature is called by its short name or by group:feature, either with
// @VERSION.
type Script struct {
	Path  string
	Cases []Case
}

// Case is one case with the definitions that hold for all cases of its file.
type Case struct {
	Name       string
	Statements []Statement
}

// Statement is one line of a case and the lines that belong to it.
type Statement struct {
	Line   int
	Words  []string
	Refuse string // the slug of the problem that is expected
	Block  []Line
}

// Line is one line of a block.
type Line struct {
	Number int
	Words  []string
}

// ReadScripts reads the scripts of a folder.
func ReadScripts(pattern string) ([]Script, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var scripts []Script
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		script, err := ParseScript(path, string(text))
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, script)
	}
	return scripts, nil
}

// ParseScript reads a script: statements of a case are indented by two spaces, the lines of a block by four.
func ParseScript(path, text string) (Script, error) {
	script := Script{Path: path}
	var common []Statement
	var last *Statement
	for i, line := range strings.Split(text, "\n") {
		number := i + 1
		bad := func(format string, args ...any) (Script, error) {
			return Script{}, fmt.Errorf("%s:%d: %s", path, number, fmt.Sprintf(format, args...))
		}
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if name, ok := strings.CutPrefix(line, "case "); ok {
			script.Cases = append(script.Cases, Case{Name: name, Statements: append([]Statement(nil), common...)})
			last = nil
			continue
		}
		words, err := splitWords(trimmed)
		if err != nil {
			return bad("%s", err)
		}
		statement := Statement{Line: number, Words: words}
		if words[0] == "refuse" && len(words) > 2 {
			statement.Refuse, statement.Words = words[1], words[2:]
		}
		switch {
		case indent == 0 && len(script.Cases) == 0:
			common = append(common, statement)
			last = &common[len(common)-1]
		case indent == 2 && len(script.Cases) > 0:
			c := &script.Cases[len(script.Cases)-1]
			c.Statements = append(c.Statements, statement)
			last = &c.Statements[len(c.Statements)-1]
		case indent == 4 && last != nil && strings.HasSuffix(last.Words[len(last.Words)-1], ":"):
			last.Block = append(last.Block, Line{number, words})
		default:
			return bad("a line that is indented by %d spaces does not belong here", indent)
		}
	}
	if len(script.Cases) == 0 {
		return Script{}, fmt.Errorf("%s has no case", path)
	}
	return script, nil
}

// splitWords cuts at spaces that are not inside of quotes.
func splitWords(line string) ([]string, error) {
	var words []string
	begin, quoted, escaped := -1, false, false
	for i, c := range line {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		}
		if c == ' ' && !quoted {
			if begin >= 0 {
				words, begin = append(words, line[begin:i]), -1
			}
		} else if begin < 0 {
			begin = i
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed")
	}
	return append(words, line[begin:]), nil
}

var timePart = regexp.MustCompile(`^([+-]?)(\d+)(d|h|m|s|ms|us)`)

// parseTime reads a time of a script as µs.
func parseTime(text string) (int64, error) {
	if strings.Contains(text, "T") {
		return value.ParseTime(text, nil)
	}
	d, err := ParseSpan(text)
	return start + d, err
}

// ParseSpan reads 5d, 4d23h, 5d-1us as µs.
func ParseSpan(text string) (int64, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond, "us": time.Microsecond}
	sum, sign := int64(0), int64(1)
	for rest := text; rest != ""; {
		parts := timePart.FindStringSubmatch(rest)
		if parts == nil {
			return 0, fmt.Errorf("%q is no time", text)
		}
		if parts[1] != "" {
			sign = 1
		}
		if parts[1] == "-" {
			sign = -1
		}
		n, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += sign * n * units[parts[3]].Microseconds()
		rest = rest[len(parts[0]):]
	}
	return sum, nil
}

// cutTime takes the time behind the last @ off, unless that stands inside of a quoted value.
func cutTime(word string) (before, at string) {
	i := strings.LastIndexByte(word, '@')
	if i < 0 || strings.ContainsAny(word[i:], `"]}`) {
		return word, ""
	}
	return word[:i], word[i+1:]
}
