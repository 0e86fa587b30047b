package app

import "fmt"

// Refusal is a reason not to start that the caller can do something about: a folder in use, a taken port. The program ends
// with code 2 and this one sentence.
type Refusal struct{ sentence string }

func (r *Refusal) Error() string { return r.sentence }

func refuse(format string, args ...any) error {
	return &Refusal{fmt.Sprintf(format, args...)}
}
