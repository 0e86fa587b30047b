package jsonscan

import (
	"errors"
	"fmt"
	"strconv"

	"featurestore/app/fault"
)

// Error says what is wrong with a JSON text and where.
type Error struct {
	Path       string // "rows[3].features.amount"; "" at the top
	Offset     int    // bytes before the place
	Message    string
	Incomplete bool // the text ends too early: more of it may make it valid
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s (at byte %d)", e.Message, e.Offset)
	}
	return fmt.Sprintf("%s: %s (at byte %d)", e.Path, e.Message, e.Offset)
}

// Fault makes a problem answer of an error of this package; any other error comes back as it is.
func Fault(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	location := e.Path
	if location == "" {
		location = "body"
	}
	return fault.New(fault.Invalid, "invalid-json", "the JSON cannot be read: %s", e).At(location, "", "%s", e.Message)
}

// within puts a member's or element's place before the path of an error of this package.
func within(err error, step string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	switch {
	case e.Path == "":
		e.Path = step
	case e.Path[0] == '[':
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}

func withinElement(err error, i int) error { return within(err, "["+strconv.Itoa(i)+"]") }
