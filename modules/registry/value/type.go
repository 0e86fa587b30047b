package value

import "fmt"

var names = [...]string{"", "BOOLEAN", "INTEGER", "FLOAT", "STRING", "TIMESTAMP", "JSON",
	"BOOLEAN[]", "INTEGER[]", "FLOAT[]", "STRING[]", "TIMESTAMP[]"}

// ParseType reads "INTEGER", "FLOAT[]" and so on.
func ParseType(text string) (Type, bool) {
	for t, name := range names {
		if t > 0 && name == text {
			return Type(t), true
		}
	}
	return Invalid, false
}

func (t Type) String() string {
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Array tells whether values are arrays; Element is the type of their elements.
func (t Type) Array() bool { return t >= BooleanArray && t <= TimestampArray }

func (t Type) Element() Type {
	if !t.Array() {
		return Invalid
	}
	return t - BooleanArray + Boolean
}

func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t *Type) UnmarshalText(text []byte) error {
	parsed, ok := ParseType(string(text))
	if !ok {
		return fmt.Errorf("%q is no value type: use BOOLEAN, INTEGER, FLOAT, STRING, TIMESTAMP, JSON or one of the first five with []", text)
	}
	*t = parsed
	return nil
}
