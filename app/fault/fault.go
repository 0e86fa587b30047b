// Package fault holds the errors that a caller may see: each has a kind, from which the HTTP status follows, a stable
// slug that programs can match on, and a sentence for a person.
//
// An error that is not a *Error is a defect or an outage: it is answered with 500 and a neutral text, its cause is logged.
package fault

import (
	"errors"
	"fmt"
)

// Kind says whose move it is. The HTTP status is decided from it in one place: Status.
type Kind uint8

const (
	Invalid       Kind = iota // the request is wrong: 400 (422 where the syntax is right and the data is not: see Unprocessable)
	Unprocessable             // well formed, but the data breaks a rule: 422
	NotFound                  // 404
	Conflict                  // contradicts what is stored: 409
	Stale                     // If-Match does not match: 412
	TooLarge                  // 413
	Unsupported               // content type or encoding: 415
	Forbidden                 // 403
	Gone                      // 410
	Busy                      // try again later: 503 with Retry-After
	Internal                  // 500
	NotAcceptable             // the answer cannot be made in a form that is accepted: 406
)

// Violation is one thing that is wrong with the input.
type Violation struct {
	Location string `json:"location" doc:"Where: a JSON path, a query parameter, or row and column"`
	Message  string `json:"message" doc:"What is wrong and what to do"`
	Value    string `json:"value,omitempty" doc:"The offending value, shortened"`
}

// Error is a problem for the caller. Slug becomes the type of the problem answer (RFC 9457): "urn:featurestore:problem:" + slug.
type Error struct {
	Kind       Kind
	Slug       string
	Detail     string
	Violations []Violation
	RetryAfter int   // seconds; 0: none, with Busy 1
	cause      error // for the log only
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Detail + ": " + e.cause.Error()
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.cause }

// New makes a problem: fault.New(fault.NotFound, "unknown-group", "there is no group %q", name).
func New(kind Kind, slug, format string, args ...any) *Error {
	return &Error{Kind: kind, Slug: slug, Detail: fmt.Sprintf(format, args...)}
}

// At adds a violation and returns the same error.
func (e *Error) At(location, value, format string, args ...any) *Error {
	e.Violations = append(e.Violations, Violation{Location: location, Message: fmt.Sprintf(format, args...), Value: Shorten(value)})
	return e
}

// Because keeps the cause for the log; a caller never sees it.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// Shorten cuts a value for an error message to 80 characters.
func Shorten(value string) string {
	runes := []rune(value)
	if len(runes) <= 80 {
		return value
	}
	return string(runes[:79]) + "…"
}

// As finds the problem in a chain of errors.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Is tells whether the chain holds a problem with that slug.
func Is(err error, slug string) bool {
	e, ok := As(err)
	return ok && e.Slug == slug
}
