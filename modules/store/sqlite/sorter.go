package sqlite

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"featurestore/modules/store"
)

// sorter gives records back in the order of their keys, of equal keys in the order in which they came. What does not fit in its
// memory is sorted piece by piece into a file beside the database and merged from there.
type sorter struct {
	path   string // of the database
	memory int

	piece   []byte  // records: 4 bytes of length of the key, 4 of the rest, the key, the rest
	entries []entry // of piece
	sorted  bool    // as far as they came
	last    []byte  // the last key
	count   int64

	file *os.File
	ends []int64 // of the pieces in file
}

// entry is a record in piece.
type entry struct {
	prefix uint64 // of the key, behind what all keys of the piece begin with; filled in for sorting
	at     uint32
}

const entrySize = 16

func newSorter(path string, memory int) *sorter {
	return &sorter{path: path, memory: min(memory, 1<<30), sorted: true}
}

// add takes a record and keeps none of its memory.
func (s *sorter) add(key, rest []byte) error {
	if len(s.piece) > 0 && len(s.piece)+8+len(key)+len(rest)+entrySize*len(s.entries) > s.memory {
		if err := s.spill(); err != nil {
			return err
		}
	}
	if s.sorted && len(s.entries) > 0 && bytes.Compare(key, s.last) < 0 {
		s.sorted = false
	}
	if s.sorted {
		s.last = append(s.last[:0], key...)
	}
	s.grow(8 + len(key) + len(rest))
	s.entries = append(s.entries, entry{at: uint32(len(s.piece))})
	s.piece = binary.LittleEndian.AppendUint32(s.piece, uint32(len(key)))
	s.piece = binary.LittleEndian.AppendUint32(s.piece, uint32(len(rest)))
	s.piece = append(append(s.piece, key...), rest...)
	s.count++
	return nil
}

// grow makes room for n bytes. A piece that gets large takes all the memory it may take at once: each step of growing would leave
// the garbage of the last.
func (s *sorter) grow(n int) {
	if len(s.piece)+n <= cap(s.piece) || cap(s.piece) >= s.memory || len(s.piece) < s.memory/16 {
		return
	}
	s.piece = slices.Grow(s.piece, s.memory-len(s.piece))
}

func (s *sorter) record(at uint32) (key, rest []byte) {
	b := s.piece[at:]
	n, m := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	return b[8 : 8+n : 8+n], b[8+n : 8+n+m : 8+n+m]
}

func (s *sorter) sort() {
	if s.sorted {
		return
	}
	common, _ := s.record(s.entries[0].at)
	for _, e := range s.entries[1:] {
		key, _ := s.record(e.at)
		common = common[:store.CommonPrefix(common, key)]
	}
	for i := range s.entries {
		key, _ := s.record(s.entries[i].at)
		s.entries[i].prefix = store.KeyHead(key[len(common):])
	}
	slices.SortFunc(s.entries, func(a, b entry) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		key, _ := s.record(a.at)
		other, _ := s.record(b.at)
		return cmp.Or(bytes.Compare(key, other), cmp.Compare(a.at, b.at))
	})
}

// spill sorts the piece and writes it out.
func (s *sorter) spill() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+"-load-*"); err == nil {
			err = os.Remove(s.file.Name()) // it has no name from now on, so that no crash leaves it behind
		}
		if err != nil {
			return fmt.Errorf("making a file to sort in: %w", err)
		}
	}
	s.sort()
	out := bufio.NewWriterSize(s.file, 1<<18)
	for _, e := range s.entries {
		key, rest := s.record(e.at)
		_, err = out.Write(s.piece[e.at : int(e.at)+8+len(key)+len(rest)]) // an error stays with out
	}
	end := int64(len(s.piece))
	if n := len(s.ends); n > 0 {
		end += s.ends[n-1]
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("writing a file to sort in: %w", err)
	}
	s.ends = append(s.ends, end)
	s.piece, s.entries, s.sorted = s.piece[:0], s.entries[:0], true
	return nil
}

// close gives everything up. It may be called again.
func (s *sorter) close() error {
	s.piece, s.entries = nil, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// merge begins to give the records back; nothing can be added any more.
func (s *sorter) merge() (*merger, error) {
	m := &merger{}
	begin := int64(0)
	for i, end := range s.ends {
		section := io.NewSectionReader(s.file, begin, end-begin)
		m.pieces = append(m.pieces, &piece{order: i, from: bufio.NewReaderSize(section, 1<<17)})
		begin = end
	}
	s.sort()
	m.pieces = append(m.pieces, &piece{order: len(s.ends), memory: s})
	for i := 0; i < len(m.pieces); {
		more, err := m.pieces[i].next()
		if err != nil {
			return nil, err
		}
		if more {
			i++
		} else {
			m.pieces = slices.Delete(m.pieces, i, i+1)
		}
	}
	heap.Init(m)
	return m, nil
}

// merger is a heap of pieces by their next record.
type merger struct {
	pieces  []*piece
	started bool
}

// piece is one sorted sequence, in the file or in memory, and its next record.
type piece struct {
	order  int
	from   *bufio.Reader
	memory *sorter
	at     int // in memory's entries

	key, rest []byte
	buffer    []byte
}

// next gives the next record, valid until next is called again; false at the end.
func (m *merger) next() (key, rest []byte, more bool, err error) {
	if m.started {
		if len(m.pieces) == 0 {
			return nil, nil, false, nil
		}
		more, err := m.pieces[0].next()
		if err != nil {
			return nil, nil, false, err
		}
		if more {
			if len(m.pieces) > 1 {
				heap.Fix(m, 0)
			}
		} else {
			heap.Pop(m)
		}
	}
	m.started = true
	if len(m.pieces) == 0 {
		return nil, nil, false, nil
	}
	return m.pieces[0].key, m.pieces[0].rest, true, nil
}

func (p *piece) next() (bool, error) {
	if p.memory != nil {
		if p.at == len(p.memory.entries) {
			return false, nil
		}
		p.key, p.rest = p.memory.record(p.memory.entries[p.at].at)
		p.at++
		return true, nil
	}
	var head [8]byte
	if _, err := io.ReadFull(p.from, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, fmt.Errorf("reading a file to sort in: %w", err)
	}
	n, m := int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
	p.buffer = slices.Grow(p.buffer[:0], n+m)[:n+m]
	if _, err := io.ReadFull(p.from, p.buffer); err != nil {
		return false, fmt.Errorf("reading a file to sort in: %w", err)
	}
	p.key, p.rest = p.buffer[:n], p.buffer[n:]
	return true, nil
}

func (m *merger) Len() int { return len(m.pieces) }

func (m *merger) Less(i, j int) bool {
	a, b := m.pieces[i], m.pieces[j]
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.order < b.order
}

func (m *merger) Swap(i, j int) { m.pieces[i], m.pieces[j] = m.pieces[j], m.pieces[i] }
func (m *merger) Push(any)      {}

func (m *merger) Pop() any {
	n := len(m.pieces) - 1
	last := m.pieces[n]
	m.pieces = m.pieces[:n]
	return last
}
