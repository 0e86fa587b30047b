package jsonscan

import "fmt"

// Scanner reads one JSON text from front to back. The caller says what it expects next; what it does not ask for is checked
// and passed over. After an error it must not be used on, except by Reset.
//
//	s := jsonscan.New(body)
//	err := s.Object(func(name string) error {
//		switch name {
//		case "rows":
//			return s.Array(func(i int) error { … })
//		case "entity_id":
//			raw, err := s.Value()
//			…
//		}
//		return s.Errorf("unknown member %q", name)
//	})
//	if err == nil {
//		err = s.End()
//	}
type Scanner struct {
	text   string
	at     int
	depth  int
	hashes []uint64 // of the member names of the open objects
	names  []string // the same names
	err    *Error
}

// New begins a text.
func New(text string) *Scanner { return &Scanner{text: text} }

// Reset begins another text with the memory of the one before; it keeps nothing of that text.
func (s *Scanner) Reset(text string) {
	clear(s.names[:cap(s.names)])
	*s = Scanner{text: text, hashes: s.hashes[:0], names: s.names[:0]}
}

// Kind is what a value is by its first character.
type Kind uint8

const (
	Invalid Kind = iota // no value begins so, or the text has ended
	Null
	Bool
	Number
	String
	Object
	Array
)

var kinds = [256]Kind{'n': Null, 't': Bool, 'f': Bool, '"': String, '{': Object, '[': Array, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number, '5': Number, '6': Number, '7': Number, '8': Number, '9': Number}

// KindOf is the kind of a raw value.
func KindOf(raw string) Kind {
	if raw == "" {
		return Invalid
	}
	return kinds[raw[0]]
}

// Kind is the kind of the next value, from its first character.
func (s *Scanner) Kind() Kind {
	s.at = s.space(s.at)
	return KindOf(s.text[s.at:])
}

// Offset is how many bytes have been read.
func (s *Scanner) Offset() int { return s.at }

// Errorf makes an error at the current place.
func (s *Scanner) Errorf(format string, args ...any) error {
	return &Error{Offset: s.at, Message: fmt.Sprintf(format, args...)}
}

// Value reads the next value, whatever it is, and answers its text without space around it.
func (s *Scanner) Value() (raw string, err error) {
	start := s.space(s.at)
	end := s.skip(start)
	if end < 0 {
		return "", s.err
	}
	s.at = end
	return s.text[start:end], nil
}

// Text reads a string.
func (s *Scanner) Text() (string, error) {
	if s.Kind() != String {
		return "", s.wrong("a string")
	}
	raw, err := s.Value()
	if err != nil {
		return "", err
	}
	return Unquote(raw), nil
}

// Bool reads true or false.
func (s *Scanner) Bool() (bool, error) {
	if s.Kind() != Bool {
		return false, s.wrong("true or false")
	}
	raw, err := s.Value()
	return raw == "true", err
}

// Texts reads an array of strings.
func (s *Scanner) Texts() ([]string, error) {
	texts := []string{}
	err := s.Array(func(int) error {
		text, err := s.Text()
		texts = append(texts, text)
		return err
	})
	return texts, err
}

// Object reads an object and calls member for each of its members, in order, to read the value; one that member does not read
// is passed over. The name has no escapes. An error of member ends it; to one made by the scanner the place is added.
func (s *Scanner) Object(member func(name string) error) error {
	if s.Kind() != Object {
		return s.wrong("an object")
	}
	if s.depth++; s.depth > MaxDepth {
		return s.Errorf("nested deeper than %d", MaxDepth)
	}
	set := s.open()
	i := s.space(s.at + 1)
	if i < len(s.text) && s.text[i] == '}' {
		s.at = i + 1
		s.depth--
		return nil
	}
	for {
		name, start := s.member(i, &set)
		if start < 0 {
			return s.err
		}
		s.at = start
		if err := member(name); err != nil {
			return within(err, name)
		}
		if s.at == start {
			if s.at = s.skip(start); s.at < 0 {
				return within(s.err, name)
			}
		}
		end, more := s.next(s.at, '}')
		if end < 0 {
			return s.err
		}
		if !more {
			s.close(set)
			s.at = end
			s.depth--
			return nil
		}
		i = end
	}
}

// Array reads an array and calls element for each of its elements, to read it; one that it does not read is passed over. Errors
// are as with Object.
func (s *Scanner) Array(element func(i int) error) error {
	if s.Kind() != Array {
		return s.wrong("an array")
	}
	if s.depth++; s.depth > MaxDepth {
		return s.Errorf("nested deeper than %d", MaxDepth)
	}
	at := s.space(s.at + 1)
	if at < len(s.text) && s.text[at] == ']' {
		s.at = at + 1
		s.depth--
		return nil
	}
	for i := 0; ; i++ {
		s.at = at
		if err := element(i); err != nil {
			return withinElement(err, i)
		}
		if s.at == at {
			if s.at = s.skip(at); s.at < 0 {
				return withinElement(s.err, i)
			}
		}
		end, more := s.next(s.at, ']')
		if end < 0 {
			return s.err
		}
		if !more {
			s.at = end
			s.depth--
			return nil
		}
		at = end
	}
}

// End makes sure that nothing but space is left.
func (s *Scanner) End() error {
	s.at = s.space(s.at)
	if s.at < len(s.text) {
		return s.Errorf("something follows after the end of the value: %s", s.glimpse(s.at))
	}
	return nil
}

// wrong is the error for a value of another kind than was expected; if it is no value at all, that is the error.
func (s *Scanner) wrong(expected string) error {
	if s.skip(s.at) < 0 {
		return s.err
	}
	return s.Errorf("expected %s, got %s", expected, s.glimpse(s.at))
}
