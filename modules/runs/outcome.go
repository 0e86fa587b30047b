package runs

import "errors"

// outcome is an error of work that has not failed.
type outcome struct {
	state  State
	reason string
}

func (o *outcome) Error() string { return o.reason }

// Hold is what work returns whose run is to be held for a person to decide; reason is a sentence. It is not tried again by itself.
func Hold(reason string) error { return &outcome{Held, reason} }

// Skip is what work returns that found nothing to do; reason is a sentence.
func Skip(reason string) error { return &outcome{Skipped, reason} }

// outcomeOf finds a Hold or a Skip in what work returned.
func outcomeOf(err error) (*outcome, bool) {
	var o *outcome
	return o, errors.As(err, &o)
}
