package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/store/table"
)

// spooledInMemory is how much of a body is kept in memory before it goes to a file.
const spooledInMemory = 1 << 20

// spooled is a body that was received whole and is read from its beginning. The zero spooled holds none. Close it.
type spooled struct {
	*io.SectionReader
	file    *os.File // nil: in memory
	mapped  []byte
	further *spooled // what the body was unpacked to
}

// inMemory is a body that is in memory already.
func inMemory(body interface {
	io.ReaderAt
	Size() int64
}) *spooled {
	return &spooled{SectionReader: io.NewSectionReader(body, 0, body.Size())}
}

func (s *spooled) Close() (err error) {
	if s.mapped != nil {
		err = unix.Munmap(s.mapped)
		s.mapped = nil
	}
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	if s.further != nil {
		err = errors.Join(err, s.further.Close())
	}
	return err
}

// rewind lets the body be read from its beginning again. What it was unpacked to is given up.
func (s *spooled) rewind() (err error) {
	if s.further != nil {
		err, s.further = s.further.Close(), nil
	}
	_, failed := s.Seek(0, io.SeekStart)
	return errors.Join(err, failed)
}

// Bytes maps the body into memory until it is closed.
func (s *spooled) Bytes() ([]byte, error) {
	if s.file == nil {
		return io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	}
	if s.mapped == nil {
		var err error
		if s.mapped, err = unix.Mmap(int(s.file.Fd()), 0, int(s.Size()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
			return nil, fmt.Errorf("map a temporary file into memory: %w", err)
		}
	}
	return s.mapped, nil
}

// Forget takes the mapped pages out of the process's memory.
func (s *spooled) Forget() {
	if s.mapped != nil {
		unix.Madvise(s.mapped, unix.MADV_DONTNEED) //nolint:errcheck // it is advice
	}
}

// tableOptions is what a request says of the table that is its body. What a format needs whole is received into owner, and closed with it.
func (s *Store) tableOptions(body *httpapi.Payload, owner *spooled) table.ReadOptions {
	contentType := body.ContentType
	if contentType != "" && body.Charset != "" {
		contentType += "; charset=" + body.Charset
	}
	return table.ReadOptions{ContentType: contentType, ContentEncoding: body.ContentEncoding, Spool: func(body io.Reader) (table.Spooled, error) {
		further, err := s.spool(body)
		owner.further = further
		return further, err
	}}
}

// spool receives a body whole: for work that goes on after the request, for an answer that begins before all of the body would be
// read, which a client that sends before it receives would wait for in vain, and for formats that have their table of contents at their
// end. A long body is kept in a temporary file, which has no name, so that no crash leaves it behind.
func (s *Store) spool(body io.Reader) (*spooled, error) {
	var head bytes.Buffer
	switch _, err := io.CopyN(&head, body, spooledInMemory); {
	case errors.Is(err, io.EOF):
		return inMemory(bytes.NewReader(head.Bytes())), nil
	case err != nil:
		return nil, err
	}
	file, err := os.CreateTemp(s.config.SpoolFolder, "featurestore-body-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file for a body: %w", err)
	}
	size, err := s.receive(file, io.MultiReader(&head, body))
	if err != nil {
		file.Close()
		return nil, err
	}
	return &spooled{SectionReader: io.NewSectionReader(file, 0, size), file: file}, nil
}

// receive writes a body to a file and answers how many bytes it has.
func (s *Store) receive(file *os.File, body io.Reader) (int64, error) {
	if err := os.Remove(file.Name()); err != nil {
		return 0, fmt.Errorf("hide a temporary file: %w", err)
	}
	n, err := io.Copy(file, io.LimitReader(body, s.config.MaxSpooledBytes+1))
	if err != nil {
		return 0, err
	}
	if n > s.config.MaxSpooledBytes {
		return 0, fault.New(fault.TooLarge, "body-too-large", "the body is larger than the %d bytes that are kept for such a call; send it in parts, or raise store.max_spooled",
			s.config.MaxSpooledBytes).At("body", "", "is too large")
	}
	return n, nil
}
