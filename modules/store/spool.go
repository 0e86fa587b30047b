package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"featurestore/app/fault"
)

// spooledInMemory is how much of a body is kept in memory before it goes to a file.
const spooledInMemory = 1 << 20

// spooled is a body that was received whole and is read from its beginning. Close it.
type spooled struct {
	io.ReadSeeker
	close func() error
}

func (s *spooled) Close() error { return s.close() }

// spool receives a body whole: for work that goes on after the request, and for an answer that begins before all of the body
// would be read, which a client that sends before it receives would wait for in vain. A long body is kept in a temporary file,
// which has no name, so that no crash leaves it behind.
func (s *Store) spool(body io.Reader) (*spooled, error) {
	var head bytes.Buffer
	switch _, err := io.CopyN(&head, body, spooledInMemory); {
	case errors.Is(err, io.EOF):
		return &spooled{bytes.NewReader(head.Bytes()), func() error { return nil }}, nil
	case err != nil:
		return nil, err
	}
	file, err := os.CreateTemp(s.config.SpoolFolder, "featurestore-body-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file for a body: %w", err)
	}
	if err := s.receive(file, io.MultiReader(&head, body)); err != nil {
		file.Close()
		return nil, err
	}
	return &spooled{file, file.Close}, nil
}

func (s *Store) receive(file *os.File, body io.Reader) error {
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("hide a temporary file: %w", err)
	}
	n, err := io.Copy(file, io.LimitReader(body, s.config.MaxSpooledBytes+1))
	if err != nil {
		return err
	}
	if n > s.config.MaxSpooledBytes {
		return fault.New(fault.TooLarge, "body-too-large", "the body is larger than the %d bytes that are kept for such a call; send it in parts, or raise store.max_spooled",
			s.config.MaxSpooledBytes).At("body", "", "is too large")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a temporary file: %w", err)
	}
	return nil
}
