package local

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// assembled feeds the rows of the relation events as sorted does, without having DuckDB sort them: they are held in memory as they come, and put together by
// entity, which takes a fraction of the time. Where they need more than three quarters of the job's memory, DuckDB sorts them.
func (d *database) assembled(job *batch.Job) feed {
	return func(ctx context.Context, blocks *sync.Pool, yield func(*block) error) error {
		h, err := newHeld(job)
		if err == nil {
			err = d.query(ctx, "SELECT "+strings.Join(selected(job), ", ")+" FROM events", h.take)
		}
		if err == nil {
			err = h.feed(&gathering{job: job, blocks: blocks, yield: yield})
		}
		if freeing := h.free(); err == nil {
			err = freeing
		}
		if errors.Is(err, errTooMany) {
			return d.sorted(job)(ctx, blocks, yield)
		}
		return err
	}
}

// errTooMany ends holding rows where there are more than fit.
var errTooMany = errors.New("more events than are held in memory")

const (
	partRows    = 64 << 10
	mostColumns = 32  // whose nulls have bits in a row's head
	entityBytes = 200 // that each entity takes, about, besides its key's text
	headWords   = 2
)

// held is events in memory that the garbage collector neither counts nor looks at: of each its entity and which columns are null, its time, and the columns, as
// words of 64 bits.
type held struct {
	plan  *batch.Plan
	left  int64 // bytes that may still be taken
	parts [][]uint64
	width int // words of a row
	rows  int

	keys   [][]value.Value // of the entities
	counts []uint32        // rows of each
	whole  map[int64]uint32
	named  map[string]uint32 // where the key is not one number: by its texts, each behind its length
	name   []byte
	texts  []string // that columns have, each once
	known  map[string]uint64
	order  []uint32 // rows, entity by entity
}

// newHeld is errTooMany where a job's events are not held.
func newHeld(job *batch.Job) (*held, error) {
	h := &held{plan: job.Plan, left: job.Memory / 4 * 3, width: headWords + len(job.Plan.Columns), whole: map[int64]uint32{}, named: map[string]uint32{}, known: map[string]uint64{}}
	if len(job.Plan.Columns) > mostColumns {
		return h, errTooMany
	}
	if job.Memory == 0 {
		h.left = math.MaxInt64
	}
	return h, nil
}

// take adds the rows of a chunk.
func (h *held) take(c *chunk) error {
	keys := len(h.plan.Keys)
	key, columns := make([]vector, keys), make([]vector, len(h.plan.Columns))
	for i := range key {
		key[i] = c.vector(i)
	}
	times := c.vector(keys)
	for i := range columns {
		columns[i] = c.vector(keys + 1 + i)
	}
	for row := range c.rows {
		to, err := h.next()
		if err != nil {
			return err
		}
		entity := h.entity(key, row)
		h.counts[entity]++
		head := uint64(entity)
		to[1] = uint64(times.int(row))
		for i, v := range columns {
			switch t := h.plan.Columns[i].Type; {
			case v.null(row):
				head |= 1 << (32 + i)
			case t == value.String:
				to[headWords+i] = h.text(v.text(row))
			default:
				to[headWords+i] = v.word(t, row)
			}
		}
		to[0] = head
	}
	return nil
}

// next is the place of a new row.
func (h *held) next() ([]uint64, error) {
	at := h.rows % partRows
	if at == 0 {
		if err := h.grow(); err != nil {
			return nil, err
		}
	}
	if h.left < 0 {
		return nil, errTooMany
	}
	h.rows++
	part := h.parts[len(h.parts)-1]
	return part[at*h.width : (at+1)*h.width], nil
}

// grow makes room for more rows, and for their places in the order of entities.
func (h *held) grow() error {
	if h.left -= int64(partRows * (8*h.width + 4)); h.left < 0 || h.rows > math.MaxUint32-partRows {
		return errTooMany
	}
	part, err := mapped[uint64](partRows * h.width)
	if err == nil {
		h.parts = append(h.parts, part)
	}
	return err
}

// row is a row by its number.
func (h *held) row(i uint32) []uint64 {
	at := int(i) % partRows * h.width
	return h.parts[i/partRows][at : at+h.width]
}

// entity is the number of a row's entity.
func (h *held) entity(key []vector, row int) uint32 {
	if len(key) == 1 && h.plan.Keys[0].ValueType == value.Integer {
		id := key[0].int(row)
		n, ok := h.whole[id]
		if !ok {
			n = h.begin([]value.Value{value.OfInt(id)})
			h.whole[id] = n
		}
		return n
	}
	h.name = h.name[:0]
	for i, k := range h.plan.Keys {
		if k.ValueType == value.Integer {
			h.name = binary.LittleEndian.AppendUint64(h.name, uint64(key[i].int(row)))
		} else {
			text := key[i].text(row)
			h.name = append(binary.LittleEndian.AppendUint64(h.name, uint64(len(text))), text...)
		}
	}
	n, ok := h.named[string(h.name)]
	if !ok {
		values := make([]value.Value, len(key))
		for i, k := range h.plan.Keys {
			values[i] = key[i].value(k.ValueType, row)
		}
		h.left -= int64(2 * len(h.name))
		n = h.begin(values)
		h.named[string(h.name)] = n
	}
	return n
}

// begin adds an entity.
func (h *held) begin(key []value.Value) uint32 {
	h.left -= entityBytes
	h.keys, h.counts = append(h.keys, key), append(h.counts, 0)
	return uint32(len(h.keys) - 1)
}

// text is the number of a text.
func (h *held) text(text string) uint64 {
	n, ok := h.known[text]
	if !ok {
		text = strings.Clone(text)
		n = uint64(len(h.texts))
		h.left -= int64(entityBytes + len(text))
		h.texts = append(h.texts, text)
		h.known[text] = n
	}
	return n
}

// feed hands on the events by the order of their entities' keys, each entity's by their times.
func (h *held) feed(g *gathering) error {
	entities, ends, err := h.arrange()
	if err != nil {
		return err
	}
	for _, entity := range entities {
		if err := g.entity(h.keys[entity]); err != nil {
			return g.end(err)
		}
		rows := h.order[ends[entity]-h.counts[entity] : ends[entity]]
		older := func(a, b uint32) int { return cmp.Compare(int64(h.row(a)[1]), int64(h.row(b)[1])) }
		if !slices.IsSortedFunc(rows, older) {
			slices.SortFunc(rows, older)
		}
		for _, i := range rows {
			row := h.row(i)
			columns, err := g.event(int64(row[1]), 0)
			if err != nil {
				return err
			}
			for c := range columns {
				switch to, word := &columns[c], row[headWords+c]; {
				case row[0]&(1<<(32+c)) != 0:
					to.addNull()
				case to.kind == value.String:
					to.addText(h.texts[word])
				default:
					to.addBits(word)
				}
			}
		}
	}
	return g.end(nil)
}

// arrange puts the rows in the order of their entities, and answers these in that of their keys, and where in the order the rows of each end.
func (h *held) arrange() (entities, ends []uint32, err error) {
	entities = make([]uint32, len(h.keys))
	for i := range entities {
		entities[i] = uint32(i)
	}
	slices.SortFunc(entities, func(a, b uint32) int { return compareKeys(h.keys[a], h.keys[b]) })
	ends = make([]uint32, len(h.keys))
	next := uint32(0)
	for _, entity := range entities {
		ends[entity] = next
		next += h.counts[entity]
	}
	if h.order, err = mapped[uint32](h.rows); err != nil {
		return nil, nil, err
	}
	for i := range uint32(h.rows) {
		entity := uint32(h.row(i)[0])
		h.order[ends[entity]] = i
		ends[entity]++
	}
	return entities, ends, nil
}

// compareKeys orders join keys as DuckDB does.
func compareKeys(a, b []value.Value) int {
	for i := range a {
		order := 0
		if a[i].Type() == value.Integer {
			order = cmp.Compare(a[i].Int(), b[i].Int())
		} else {
			order = strings.Compare(a[i].Text(), b[i].Text())
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// free gives the memory back.
func (h *held) free() (err error) {
	for _, part := range h.parts {
		err = errors.Join(err, unmapped(part))
	}
	err = errors.Join(err, unmapped(h.order))
	h.parts, h.order = nil, nil
	return err
}

// mapped is memory for n numbers that the garbage collector does not know.
func mapped[T uint32 | uint64](n int) ([]T, error) {
	if n == 0 {
		return nil, nil
	}
	bytes, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(T(0))), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("take memory for events: %w", err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(bytes))), n), nil
}

// unmapped gives memory back that is mapped.
func unmapped[T uint32 | uint64](numbers []T) error {
	if len(numbers) == 0 {
		return nil
	}
	if err := unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), len(numbers)*int(unsafe.Sizeof(T(0))))); err != nil {
		return fmt.Errorf("give memory of events back: %w", err)
	}
	return nil
}
