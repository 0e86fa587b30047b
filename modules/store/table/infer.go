package table

import (
	"fmt"
	"time"

	"featurestore/modules/registry/value"
)

// inferredCells is how many cells of a column tell its type.
const inferredCells = 1000

// Infer is the type that a cell seems to have, by the rules for features that nobody registered.
func (c Cell) Infer() (value.Type, error) {
	var inference Inference
	if err := inference.Add(c); err != nil {
		return value.Invalid, err
	}
	return inference.Type()
}

// Inference tells the type of a column that nobody registered from its first 1,000 cells with a value: those of CSV by what
// all of them can be read as, else STRING; those that bring types of their own must agree, INTEGER and FLOAT making FLOAT. The
// zero Inference has seen nothing.
type Inference struct {
	Zone   *time.Location // of times without an offset; nil: those are no times
	text   value.TextInference
	common value.Type
	cells  int
}

// Add looks at a further cell. An error is a sentence that says why the column cannot have a type.
func (n *Inference) Add(c Cell) error {
	if c.form == missingForm || c.form == nullForm || n.cells == inferredCells {
		return nil
	}
	t := c.held.Type()
	switch c.form {
	case textForm:
		if c.held.Text() == "" {
			return nil
		}
		n.cells++
		n.text.Zone = n.Zone
		n.text.Add(c.held.Text())
		return nil
	case localForm, dayForm:
		if n.Zone == nil {
			return fmt.Errorf("%s has no offset from UTC: name the zone with time_zone", c.Display())
		}
	case jsonForm:
		if c.held.Text() == "[]" {
			return nil // as good as no value
		}
		var err error
		if t, err = value.InferJSON(bytesOf(c.held.Text()), n.Zone); err != nil {
			return err
		}
	}
	if n.cells++; n.cells == 1 {
		n.common = t
	}
	common := value.Common(n.common, t)
	if common == value.Invalid {
		return fmt.Errorf("%s is %s, values before it were %s", c.Display(), t, n.common)
	}
	n.common = common
	return nil
}

// Type is the type of the cells so far; an error if there was none with a value.
func (n *Inference) Type() (value.Type, error) {
	t := n.common
	if t == value.Invalid {
		t = n.text.Type()
	}
	if t == value.Invalid {
		return t, fmt.Errorf("there is no value but null and empty ones to tell the type from")
	}
	return t, nil
}
