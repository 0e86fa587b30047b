package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"featurestore/app/fault"
)

// Spooled is a body that has been received whole, as Parquet and Arrow need it.
type Spooled interface {
	io.ReaderAt
	Size() int64

	// Bytes is the body as memory that must not be written to. It may be mapped from a file, whose pages Forget takes out of the process's
	// memory until they are looked at again.
	Bytes() ([]byte, error)
	Forget()
}

// held is a body in memory.
type held struct {
	*bytes.Reader
	b []byte
}

func (h held) Bytes() ([]byte, error) { return h.b, nil }
func (h held) Forget()                {}

// hold receives a body in memory, where nobody offers a better place for it.
func hold(limit int) func(io.Reader) (Spooled, error) {
	return func(body io.Reader) (Spooled, error) {
		b, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
		if err == nil && len(b) > limit {
			err = fault.New(fault.TooLarge, "body-too-large", "a body that is held in memory can have %d bytes", limit).At("body", "", "is too large")
		}
		return held{bytes.NewReader(b), b}, err
	}
}

// readerAt keeps the error that reading ended with, to tell a body that is damaged from one that could not be read.
type readerAt struct {
	in  io.ReaderAt
	err error
}

func (r *readerAt) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.in.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// explain says what an error means that a body of a kind ended with; that of the end stays.
func (r *readerAt) explain(kind string, err error) error {
	if _, ok := fault.As(err); ok || err == io.EOF {
		return err
	}
	if r.err != nil {
		return fmt.Errorf("read the table: %w", r.err)
	}
	return damaged(kind, err)
}

// guarded turns what a library panics with, over a body that is damaged in a way it does not expect, into an error.
func guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return work()
}

func damaged(kind string, err error) *fault.Error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "damaged-body", "the %s cannot be read: it is damaged or cut off", kind).At("body", "", "%s", err).Because(err)
	}
	return fault.New(fault.Invalid, "damaged-body", "the %s cannot be read: %s", kind, err).At("body", "", "%s", err)
}
