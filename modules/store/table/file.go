package table

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// File reads a table that stands in a file of the machine. It is a Reader; close it.
type File struct {
	Reader
	body *fileBody
}

// OpenFile finds the format of a file by its first bytes and begins to read it. Parquet and Arrow are read where they lie.
func OpenFile(path string, limits Limits) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	body := &fileBody{file: file}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	body.SectionReader = io.NewSectionReader(file, 0, info.Size())
	reader, _, err := NewReader(body, ReadOptions{Limits: limits})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), body.Close())
	}
	return &File{reader, body}, nil
}

// Close gives the file back.
func (f *File) Close() error { return f.body.Close() }

// fileBody is a file as Spooled. What is mapped of it stays so until it is closed.
type fileBody struct {
	*io.SectionReader
	file   *os.File
	mapped []byte
}

func (b *fileBody) Bytes() ([]byte, error) {
	if b.mapped == nil && b.Size() > 0 {
		var err error
		if b.mapped, err = unix.Mmap(int(b.file.Fd()), 0, int(b.Size()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
			return nil, fmt.Errorf("map a file into memory: %w", err)
		}
	}
	return b.mapped, nil
}

func (b *fileBody) Forget() {
	if b.mapped != nil {
		unix.Madvise(b.mapped, unix.MADV_DONTNEED) //nolint:errcheck // it is advice
	}
}

func (b *fileBody) Close() (err error) {
	if b.mapped != nil {
		err = unix.Munmap(b.mapped)
		b.mapped = nil
	}
	return errors.Join(err, b.file.Close())
}
