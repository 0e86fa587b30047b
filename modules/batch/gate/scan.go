package gate

import (
	"fmt"
	"slices"
	"strings"
)

// form is what a token is.
type form uint8

const (
	word      form = iota // without quotes, in small letters
	quoted                // a name in double quotes
	number                //
	text                  // a constant in single quotes
	symbol                // ( ) , . * + - / % = < > ! || ::
	parameter             // :tick, :from or :to, without the colon
)

type token struct {
	form     form
	text     string
	from, to int
}

// scanner cuts a text into words. It refuses what parsers cut differently (backslashes, prefixes of quotes, dollar quotes), so that DuckDB's parser, which
// judges a text, and the engine that runs it see the same one.
type scanner struct {
	source string
	clean  []byte // the source with spaces for comments
	at     int
	tokens []token
}

// notSelect are words that begin another statement than a SELECT, for a sentence of their own.
var notSelect = []string{"insert", "update", "delete", "merge", "create", "drop", "alter", "truncate", "copy", "attach", "detach", "install", "load", "pragma", "set", "reset",
	"call", "execute", "prepare", "deallocate", "export", "import", "vacuum", "analyze", "checkpoint", "use", "grant", "revoke", "do", "begin", "commit", "rollback", "explain",
	"describe", "summarize", "show", "pivot", "unpivot", "listen", "notify", "lock", "table", "values"}

// scan cuts a text; an error is a sentence about the first thing that is refused.
func scan(source string) (*scanner, error) {
	s := &scanner{source: source, clean: []byte(source)}
	for s.at < len(source) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	if len(s.tokens) == 0 {
		return nil, fmt.Errorf("holds no SELECT")
	}
	return s, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func (s *scanner) refuse(format string, args ...any) error {
	return fmt.Errorf(format+", at byte %d", append(args, s.at)...)
}

// peek is the byte so far ahead, 0 behind the end.
func (s *scanner) peek(ahead int) byte {
	if s.at+ahead < len(s.source) {
		return s.source[s.at+ahead]
	}
	return 0
}

func (s *scanner) add(f form, text string, to int) {
	s.tokens = append(s.tokens, token{f, text, s.at, to})
	s.at = to
}

func (s *scanner) next() error {
	switch c := s.source[s.at]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		s.at++
	case c == '-' && s.peek(1) == '-':
		s.blank(lineEnd(s.source, s.at))
	case c == '/' && s.peek(1) == '*':
		return s.comment()
	case isLetter(c):
		return s.word()
	case isDigit(c) || c == '.' && isDigit(s.peek(1)):
		return s.number()
	case c == '\'':
		return s.constant()
	case c == '"':
		return s.name()
	case c == ':':
		return s.colon()
	case c == '|' && s.peek(1) == '|':
		s.add(symbol, "||", s.at+2)
	case strings.IndexByte("(),.*+-/%=<>!", c) >= 0:
		s.add(symbol, s.source[s.at:s.at+1], s.at+1)
	case c == ';':
		return s.refuse("write one SELECT without a semicolon: a second statement is never run")
	case c == '$' || c == '?':
		return s.refuse("the parameters are :%s, :%s and :%s", Tick, From, To)
	case c >= 0x80:
		return s.refuse("outside of quotes there are ASCII letters only")
	default:
		return s.refuse("%q is not allowed outside of quotes", string(rune(c)))
	}
	return nil
}

func lineEnd(source string, from int) int {
	if i := strings.IndexAny(source[from:], "\n\r"); i >= 0 {
		return from + i
	}
	return len(source)
}

// blank puts spaces in the place of a comment.
func (s *scanner) blank(to int) {
	for ; s.at < to; s.at++ {
		if s.clean[s.at] != '\n' {
			s.clean[s.at] = ' '
		}
	}
}

func (s *scanner) comment() error {
	end := strings.Index(s.source[s.at+2:], "*/")
	if end < 0 {
		return s.refuse("a comment has no end")
	}
	if strings.Contains(s.source[s.at+2:s.at+2+end], "/*") {
		return s.refuse("a comment within a comment is not allowed")
	}
	s.blank(s.at + 2 + end + 2)
	return nil
}

func (s *scanner) word() error {
	to := s.at
	for to < len(s.source) && (isLetter(s.source[to]) || isDigit(s.source[to])) {
		to++
	}
	if to < len(s.source) && (s.source[to] == '\'' || s.source[to] == '"' || s.source[to] == '$' || s.source[to] == '&') {
		return s.refuse("put a space between %s and what follows: prefixes of quotes are not allowed", s.source[s.at:to])
	}
	s.add(word, strings.ToLower(s.source[s.at:to]), to)
	return nil
}

func (s *scanner) number() error {
	to := s.at
	for to < len(s.source) && (isDigit(s.source[to]) || s.source[to] == '.') {
		to++
	}
	if to < len(s.source) && s.source[to]|0x20 == 'e' {
		to++
		if to < len(s.source) && (s.source[to] == '-' || s.source[to] == '+') {
			to++
		}
		for to < len(s.source) && isDigit(s.source[to]) {
			to++
		}
	}
	if to < len(s.source) && isLetter(s.source[to]) || !isDigit(s.source[to-1]) && s.source[to-1] != '.' {
		return s.refuse("write numbers with digits, a point and an exponent only")
	}
	s.add(number, s.source[s.at:to], to)
	return nil
}

// constant reads '…', in which ” stands for one quote.
func (s *scanner) constant() error {
	for to := s.at + 1; to < len(s.source); to++ {
		switch c := s.source[to]; {
		case c == '\\':
			return s.refuse("a text in quotes has no backslash: engines read it differently")
		case c == 0:
			return s.refuse("a text in quotes has no NUL")
		case c == '\'' && to+1 < len(s.source) && s.source[to+1] == '\'':
			to++
		case c == '\'':
			s.add(text, s.source[s.at+1:to], to+1)
			return nil
		}
	}
	return s.refuse("a text in quotes has no end")
}

// name reads a name in double quotes.
func (s *scanner) name() error {
	end := strings.IndexByte(s.source[s.at+1:], '"')
	if end < 0 {
		return s.refuse("a name in quotes has no end")
	}
	name := s.source[s.at+1 : s.at+1+end]
	for i := range len(name) {
		if !isLetter(name[i]) && !isDigit(name[i]) {
			return s.refuse("a name has letters, digits and _ only, in quotes too")
		}
	}
	if name == "" || name != strings.ToLower(name) {
		return s.refuse("write names in small letters")
	}
	s.add(quoted, name, s.at+end+2)
	return nil
}

func (s *scanner) colon() error {
	if s.peek(1) == ':' {
		s.add(symbol, "::", s.at+2)
		return nil
	}
	to := s.at + 1
	for to < len(s.source) && (isLetter(s.source[to]) || isDigit(s.source[to])) {
		to++
	}
	name := strings.ToLower(s.source[s.at+1 : to])
	if !slices.Contains([]string{Tick, From, To}, name) {
		return s.refuse("there is no parameter %q: there are :%s, :%s and :%s", ":"+name, Tick, From, To)
	}
	s.add(parameter, name, to)
	return nil
}

// at is token i; the zero token where there is none.
func (s *scanner) token(i int) token {
	if i < 0 || i >= len(s.tokens) {
		return token{form: symbol}
	}
	return s.tokens[i]
}

func (t token) is(f form, text string) bool { return t.form == f && t.text == text }

// forDuckDB is the text as DuckDB's parser reads it, of the same length.
func (s *scanner) forDuckDB() string {
	b := slices.Clone(s.clean)
	for _, t := range s.tokens {
		if t.form == parameter {
			b[t.from] = '$'
		}
	}
	return string(b)
}
