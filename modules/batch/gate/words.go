package gate

import (
	"fmt"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// types are the names of types as they may be written, and what they are marked as.
var types = map[string]string{"bigint": "bigint", "double": "double", "boolean": "boolean", "decimal": "decimal", "numeric": "decimal", "timestamp": "timestamp", "date": "date"}

// beforeBracket are words of the language that a bracket can follow.
var beforeBracket = []string{"select", "all", "distinct", "from", "where", "and", "or", "not", "in", "exists", "as", "on", "using", "by", "having", "over", "filter", "group", "union", "except",
	"intersect", "case", "when", "then", "else", "end", "between", "is", "like", "join", "cast", "partition", "extract", "within", "interval", "limit", "rows", "range", "preceding", "any"}

// refusedWords are words of the language that stand for something that is not the same, or not there, on every engine.
var refusedWords = map[string]string{
	"lateral": "LATERAL is not allowed: join with a common table expression", "recursive": "a common table expression does not call itself here",
	"qualify": "QUALIFY is not allowed: put the SELECT into a common table expression and use WHERE", "tablesample": "a sample is another one each time",
	"natural": "NATURAL is not allowed: name the columns", "asof": "ASOF is not allowed: PostgreSQL has none", "positional": "POSITIONAL is not allowed",
	"try_cast": "try_cast is not allowed: PostgreSQL has none", "ilike": "ILIKE is not allowed: compare lower(…) with LIKE", "similar": "SIMILAR TO is not allowed: use LIKE",
	"glob": "GLOB is not allowed: use LIKE", "collate": "COLLATE is not allowed: texts are ordered by their bytes", "escape": "ESCAPE is not allowed",
	"lambda": "there are no functions of functions here", "current_date": "the clock is not read: use :tick", "current_time": "the clock is not read: use :tick",
	"current_timestamp": "the clock is not read: use :tick", "localtime": "the clock is not read: use :tick", "localtimestamp": "the clock is not read: use :tick",
	"current_user": "current_user is not allowed", "session_user": "session_user is not allowed", "user": "user is not allowed outside of double quotes",
	"current_schema": "current_schema is not allowed", "current_catalog": "current_catalog is not allowed", "current_role": "current_role is not allowed",
	"limit": "LIMIT is not allowed: which rows it leaves is not the same on every engine; a transformation says something of each entity", "fetch": "FETCH is not allowed: a transformation says something of each entity",
	"offset": "OFFSET is not allowed: a transformation says something of each entity", "into": "SELECT INTO is not allowed: a query reads", "for": "FOR is not allowed: a query locks nothing",
	"groups": "GROUPS is not allowed: a window has ROWS or RANGE", "exclude": "EXCLUDE is not allowed", "window": "WINDOW is not allowed: write the window behind OVER",
	"materialized": "MATERIALIZED is not allowed: engines decide what they keep", "rowid": "rowid is not allowed: use seq", "ctid": "ctid is not allowed: use seq",
	"rollup": "ROLLUP is not allowed", "cube": "CUBE is not allowed", "grouping": "GROUPING is not allowed", "values": "VALUES is not allowed: a query reads events", "unnest": "UNNEST is not allowed: arrays are not taken apart",
}

// judgeWords refuses what its words show, before anything is parsed, and finds the marks. source: the query is of a connection's own tables.
func (s *scanner) judgeWords() (marks []Mark, err error) {
	first := s.tokens[0]
	if !first.is(word, "select") && !first.is(word, "with") {
		if slices.Contains(notSelect, first.text) && first.form == word {
			return nil, fmt.Errorf("%s is not allowed: write one SELECT, which reads and changes nothing", strings.ToUpper(first.text))
		}
		return nil, fmt.Errorf("write one SELECT: it begins with SELECT or WITH")
	}
	var casts []int       // depths of the brackets of open casts
	depth, typed := 0, -1 // the token that names a type
	for i, t := range s.tokens {
		next, before := s.token(i+1), s.token(i-1)
		switch {
		case t.is(symbol, "("):
			depth++
			if before.is(word, "cast") {
				casts = append(casts, depth)
			}
		case t.is(symbol, ")"):
			if n := len(casts); n > 0 && casts[n-1] == depth {
				casts = casts[:n-1]
			}
			depth--
		case t.form == parameter:
			marks = append(marks, Mark{From: t.from, To: t.to, Parameter: t.text})
		case t.is(symbol, "::") || t.is(word, "as") && len(casts) > 0 && casts[len(casts)-1] == depth:
			mark, err := s.typeAt(i + 1)
			if err != nil {
				return nil, err
			}
			marks, typed = append(marks, mark), i+1
		case t.form == word && !before.is(symbol, ".") && i != typed:
			if err := s.judgeWord(t, before, next); err != nil {
				return nil, err
			}
		}
		if (t.form == word || t.form == quoted) && before.is(symbol, ".") && next.is(symbol, "(") {
			return nil, fmt.Errorf("functions are named without a schema, at byte %d", before.from)
		}
		if t.form == quoted && next.is(symbol, "(") && !before.is(symbol, ".") {
			return nil, fmt.Errorf("a name in quotes is no function, at byte %d", t.from)
		}
	}
	return marks, nil
}

func (s *scanner) judgeWord(t, before, next token) error {
	if before.is(symbol, "(") && slices.Contains(notSelect[:4], t.text) {
		return fmt.Errorf("%s is not allowed: write one SELECT, which reads and changes nothing, at byte %d", strings.ToUpper(t.text), t.from)
	}
	// A word behind AS is a name.
	if reason := refusedWords[t.text]; reason != "" && (!before.is(word, "as") || next.is(symbol, "(")) {
		return fmt.Errorf("%s, at byte %d", reason, t.from)
	}
	if !next.is(symbol, "(") || slices.Contains(beforeBracket, t.text) {
		return nil
	}
	if _, known := functions[t.text]; known {
		return nil
	}
	if before.is(word, "as") || before.is(word, "with") || before.is(symbol, ")") {
		return fmt.Errorf("columns are named in the SELECT, not behind the name of a relation, at byte %d", t.from)
	}
	return unknownFunction(t.text, t.from)
}

func unknownFunction(name string, at int) error {
	if reason := refusedFunctions[name]; reason != "" {
		return fmt.Errorf("%s is not allowed: %s, at byte %d", name, reason, at)
	}
	return fmt.Errorf("there is no function %q here%s, at byte %d: those that mean the same on every engine are %s", fault.Shorten(name),
		registry.DidYouMean(name, slices.Values(functionNames())), at, strings.Join(functionNames(), ", "))
}

// typeAt reads the name of a type.
func (s *scanner) typeAt(i int) (Mark, error) {
	t := s.token(i)
	marked, known := types[t.text]
	if t.form != word || !known {
		return Mark{}, fmt.Errorf("%q is no type here: use BIGINT, DOUBLE, BOOLEAN, DECIMAL(p, s), TIMESTAMP or DATE, at byte %d", fault.Shorten(t.text), t.from)
	}
	to := t.to
	if next := s.token(i + 1); marked == "double" && next.is(word, "precision") {
		to = next.to
	}
	return Mark{From: t.from, To: to, Type: marked}, nil
}

// names are the words that could be of columns, without quotes and in them.
func (s *scanner) names() map[string]bool {
	names := map[string]bool{}
	for _, t := range s.tokens {
		if t.form == word || t.form == quoted {
			names[t.text] = true
		}
	}
	return names
}

// Names are all words of a text that could name a column: those that a query reads are among them. nil of a text that cannot be cut into words.
func Names(source string) []string {
	s, err := scan(source)
	if err != nil {
		return nil
	}
	var names []string
	for _, t := range s.tokens {
		if (t.form == word || t.form == quoted) && !slices.Contains(names, t.text) {
			names = append(names, t.text)
		}
	}
	return names
}
