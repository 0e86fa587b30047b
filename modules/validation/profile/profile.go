package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/axiomhq/hyperloglog"
	"github.com/cespare/xxhash/v2"

	"featurestore/modules/registry/value"
)

// Options are choices for a profile; profiles that are merged have the same.
type Options struct {
	// Seed makes the sample's choice. Profiles of different windows need different ones.
	Seed uint64
	// Hidden keeps no values and texts as they are: no most frequent ones. For features that tell who someone is. The least and the
	// greatest number, the sample of numbers and lengths, and the counts of forms stay.
	Hidden bool
}

// Profile is what is kept of the values of one column. It belongs to one goroutine; reading it may compact it.
type Profile struct {
	kind     value.Type
	hidden   bool
	rows     int64
	nulls    int64
	empty    int64 // texts and arrays of length 0
	spread   spread
	least    value.Value // of INTEGER and TIMESTAMP, exact; absent: none
	most     value.Value
	distinct *hyperloglog.Sketch
	sketch   *sketch // nil for TIMESTAMP
	sample   sample
	bits     frequent[uint64] // the most frequent values of types whose values are 64 bits
	texts    frequent[string] // and of texts
	forms    [len(forms)]int64
}

// New begins a profile of values of a type.
func New(kind value.Type, options Options) *Profile {
	p := &Profile{kind: kind, hidden: options.Hidden, distinct: hyperloglog.New14(), sample: newSample(options.Seed)}
	if kind != value.Timestamp {
		p.sketch = newSketch()
	}
	return p
}

// Add takes one value in. Absent ones were not observed and are passed over. A value of another type is measured all the same, an
// INTEGER of a FLOAT column as what it is read as; nothing else comes from the store. Not-a-number counts as null, which the store refuses.
func (p *Profile) Add(v value.Value) {
	if v.IsAbsent() {
		return
	}
	p.rows++
	if p.kind == value.Float {
		v = v.AsFloat()
	}
	if v.IsNull() || v.Type() == value.Float && math.IsNaN(v.Float()) {
		p.nulls++
		return
	}
	number := min(max(Number(v), -math.MaxFloat64), math.MaxFloat64)
	p.spread.add(number)
	p.sample.add(number)
	if p.sketch != nil {
		p.sketch.add(number)
	}
	switch t := v.Type(); t {
	case value.Integer, value.Timestamp:
		p.extend(v)
		p.distinct.InsertHash(hashBits(uint64(v.Int())))
		p.addBits(uint64(v.Int()))
	case value.Float:
		bits := math.Float64bits(number)
		p.distinct.InsertHash(hashBits(bits))
		p.addBits(bits)
	case value.Boolean:
		p.distinct.InsertHash(hashBits(uint64(number)))
		p.addBits(uint64(number))
	case value.String, value.JSON:
		p.distinct.InsertHash(xxhash.Sum64String(v.Text()))
		if v.Text() == "" {
			p.empty++
		}
		if t == value.String {
			countForms(&p.forms, v.Text())
			if !p.hidden {
				p.addText(v.Text())
			}
		}
	default:
		p.distinct.InsertHash(xxhash.Sum64String(v.Packed()))
		if v.Len() == 0 {
			p.empty++
		}
	}
}

// AddColumn takes in the values of one column of a batch that stands row by row: values[at], values[at+width], …
func (p *Profile) AddColumn(values []value.Value, at, width int) {
	for ; at < len(values); at += width {
		p.Add(values[at])
	}
}

func (p *Profile) addBits(bits uint64) {
	if !p.hidden {
		p.bits.add(bits, true)
	}
}

// addText counts a text; one that is new is copied, since it may share the memory of what it was read from.
func (p *Profile) addText(text string) {
	keep := keepText(text)
	if _, known := p.texts.counts[text]; keep && !known {
		text = strings.Clone(text)
	}
	p.texts.add(text, keep)
}

// extend widens the exact extremes.
func (p *Profile) extend(v value.Value) {
	if p.least.IsAbsent() || v.Int() < p.least.Int() {
		p.least = v
	}
	if p.most.IsAbsent() || v.Int() > p.most.Int() {
		p.most = v
	}
}

// maxKept is how many bytes a text may have that is counted among the most frequent ones.
const maxKept = 128

func keepText(text string) bool { return len(text) <= maxKept }

// Number is what is measured of a value that is neither null nor absent: a number itself, µs of a time, 0 or 1 of a truth value, and the
// length of anything else, of texts in characters.
func Number(v value.Value) float64 {
	switch v.Type() {
	case value.Float:
		return v.Float()
	case value.Integer:
		return float64(v.Int())
	case value.Timestamp:
		return float64(v.Time())
	case value.Boolean:
		if v.Bool() {
			return 1
		}
		return 0
	case value.String, value.JSON:
		return float64(utf8.RuneCountInString(v.Text()))
	}
	return float64(v.Len())
}

func hashBits(bits uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bits)
	return xxhash.Sum64(b[:])
}

// Hide takes the values out that are kept as they are, as if they had been hidden from the beginning.
func (p *Profile) Hide() {
	p.hidden = true
	p.bits, p.texts = frequent[uint64]{}, frequent[string]{}
}

// Merge takes in what another profile has seen, which stays as it is. Of two profiles with the same seed the samples are chosen
// alike: windows need seeds of their own.
func (p *Profile) Merge(o *Profile) error {
	switch {
	case p == o:
		return errors.New("a profile cannot be merged with itself")
	case p.kind != o.kind:
		return fmt.Errorf("a profile of %s cannot be merged with one of %s", p.kind, o.kind)
	case p.hidden != o.hidden:
		return errors.New("a profile that keeps values cannot be merged with one that hides them")
	}
	if err := p.distinct.Merge(o.distinct); err != nil {
		return fmt.Errorf("merge the sketches of different values: %w", err)
	}
	p.rows += o.rows
	p.nulls += o.nulls
	p.empty += o.empty
	p.spread.merge(o.spread)
	if !o.least.IsAbsent() {
		p.extend(o.least)
		p.extend(o.most)
	}
	if p.sketch != nil {
		p.sketch.merge(o.sketch)
	}
	p.sample.merge(&o.sample)
	p.bits.merge(&o.bits)
	p.texts.merge(&o.texts)
	for i, n := range o.forms {
		p.forms[i] += n
	}
	return nil
}
