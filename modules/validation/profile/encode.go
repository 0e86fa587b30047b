package profile

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"featurestore/modules/registry/value"
)

// The stored form: version (1 byte), then, compressed by deflate: type, flags, rows, nulls, empty, spread, extremes, forms by name, different values, sketch,
// sample, most frequent values. Whole numbers are varints, floats and priorities 8 bytes little-endian, texts their length and bytes. Whatever is in
// a set is in ascending order, so there is one form only of what it says (but for the different values).
const version = 1

const hiddenFlag = 1

// Encode is the form that is stored: some 5 to 30 KB.
func (p *Profile) Encode() ([]byte, error) {
	e := encoder{}
	e.text(p.kind.String())
	flags := uint64(0)
	if p.hidden {
		flags = hiddenFlag
	}
	e.uint(flags)
	e.int(p.rows)
	e.int(p.nulls)
	e.int(p.empty)
	if p.Values() > 0 {
		e.float(p.spread.mean)
		e.float(p.spread.squares)
		e.float(p.spread.least)
		e.float(p.spread.most)
		if p.exact() {
			e.uint(uint64(p.least.Int()))
			e.uint(uint64(p.most.Int()))
		}
	}
	e.encodeForms(p)
	p.distinct.Estimate() // compacts it
	different, err := p.distinct.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode the sketch of different values: %w", err)
	}
	e.text(string(different))
	if p.sketch != nil {
		e.encodeSketch(p.sketch)
	}
	e.encodeSample(&p.sample)
	bits, texts := sorted(&p.bits), sorted(&p.texts)
	e.uint(uint64(len(bits)))
	for _, c := range bits {
		e.uint(c.key)
		e.int(c.n)
	}
	e.int(p.bits.missed)
	e.uint(uint64(len(texts)))
	for _, c := range texts {
		e.text(c.key)
		e.int(c.n)
	}
	e.int(p.texts.missed)

	out := bytes.NewBuffer([]byte{version})
	w, err := flate.NewWriter(out, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(e.b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// exact tells that the extremes are kept as integers.
func (p *Profile) exact() bool { return p.kind == value.Integer || p.kind == value.Timestamp }

type encoder struct{ b []byte }

func (e *encoder) uint(v uint64)   { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)     { e.uint(uint64(v)) } // none is negative
func (e *encoder) float(v float64) { e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(v)) }
func (e *encoder) text(v string) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

// encodeForms names forms, so that profiles outlive a change of the list.
func (e *encoder) encodeForms(p *Profile) {
	found := p.Forms()
	e.uint(uint64(len(found)))
	for _, f := range found {
		e.text(f.Form.Name)
		e.int(f.Count)
	}
}

func (e *encoder) encodeSketch(s *sketch) {
	e.int(int64(s.dd.GetZeroCount()))
	for _, side := range s.sides() {
		type bin struct{ index, count int64 }
		var bins []bin
		side.ForEach(func(index int, count float64) bool {
			bins = append(bins, bin{int64(index), int64(count)})
			return false
		})
		slices.SortFunc(bins, func(a, b bin) int { return cmp.Compare(a.index, b.index) })
		e.uint(uint64(len(bins)))
		last := int64(0)
		for i, b := range bins {
			if i == 0 {
				e.b = binary.AppendVarint(e.b, b.index)
			} else {
				e.int(b.index - last)
			}
			e.int(b.count)
			last = b.index
		}
	}
}

func (e *encoder) encodeSample(s *sample) {
	e.b = binary.LittleEndian.AppendUint64(e.b, s.state)
	members := s.byPriority()
	e.uint(uint64(len(members)))
	last := uint64(0)
	for _, d := range members {
		e.uint(d.priority - last)
		e.float(d.number)
		last = d.priority
	}
}

// sorted lists the counts by value.
func sorted[K cmp.Ordered](f *frequent[K]) []counted[K] {
	out := f.top()
	slices.SortFunc(out, func(a, b counted[K]) int { return cmp.Compare(a.key, b.key) })
	return out
}
