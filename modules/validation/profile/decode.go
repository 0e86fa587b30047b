package profile

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/axiomhq/hyperloglog"

	"featurestore/modules/registry/value"
)

// maxEncoded is how many bytes the form may have once it is decompressed: the largest of every part comes to less.
const maxEncoded = 1 << 20

// Decode reads what Encode wrote. Anything that no profile can be is an error, and no size that the bytes only claim is believed.
func Decode(encoded []byte) (*Profile, error) {
	if len(encoded) == 0 {
		return nil, errors.New("the profile is empty")
	}
	if encoded[0] != version {
		return nil, fmt.Errorf("the profile is of version %d, this program reads version %d", encoded[0], version)
	}
	packed := bytes.NewReader(encoded[1:])
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(packed), maxEncoded+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress the profile: %w", err)
	case len(plain) > maxEncoded:
		return nil, fmt.Errorf("the profile has more than %d bytes", maxEncoded)
	case packed.Len() > 0:
		return nil, errors.New("something follows the profile")
	}
	d := decoder{rest: plain}
	p := d.profile()
	if d.err == nil && len(d.rest) > 0 {
		d.fail("something follows its end")
	}
	if d.err != nil {
		return nil, fmt.Errorf("the profile is damaged: %w", d.err)
	}
	return p, nil
}

// decoder reads on until the first thing that is wrong; after it everything is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.rest = nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("it ends too early, or a number is too long")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count is a whole number up to most.
func (d *decoder) count(what string, most int64) int64 {
	v := d.uint()
	if v > uint64(max(most, 0)) {
		d.fail("%d %s, where at most %d are possible", v, what, most)
		return 0
	}
	return int64(v)
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("it ends too early, or a number is too long")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) word() uint64 {
	if len(d.rest) < 8 {
		d.fail("it ends too early")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return v
}

// float is a finite number.
func (d *decoder) float() float64 {
	v := math.Float64frombits(d.word())
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.fail("a number is not finite")
		return 0
	}
	return v
}

func (d *decoder) text(most int64) string {
	n := d.count("bytes of a text", most)
	if n > int64(len(d.rest)) {
		d.fail("it ends within a text")
		return ""
	}
	v := string(d.rest[:n])
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) profile() *Profile {
	kind, ok := value.ParseType(d.text(32))
	if !ok {
		d.fail("its type of values is unknown")
		return nil
	}
	flags := d.count("flags", hiddenFlag)
	p := New(kind, Options{Hidden: flags == hiddenFlag})
	p.rows = d.count("rows", maxCount)
	p.nulls = d.count("nulls", p.rows)
	p.empty = d.count("empty values", p.Values())
	if p.Values() > 0 {
		d.spread(p)
	}
	d.forms(p)
	d.distinct(p)
	if p.sketch != nil {
		d.sketch(p)
	}
	d.sample(p)
	d.frequent(p)
	return p
}

func (d *decoder) spread(p *Profile) {
	s := &p.spread
	s.n = p.Values()
	s.mean = d.float()
	s.squares = math.Float64frombits(d.word())
	s.least, s.most = d.float(), d.float()
	if !(s.squares >= 0) || s.least > s.mean || s.mean > s.most {
		d.fail("mean, spread and extremes contradict each other")
	}
	if !p.exact() {
		return
	}
	of := value.OfInt
	if p.kind == value.Timestamp {
		of = value.OfTime
	}
	p.least, p.most = of(int64(d.uint())), of(int64(d.uint()))
	if d.err == nil && (float64(p.least.Int()) != s.least || float64(p.most.Int()) != s.most) {
		d.fail("its extremes contradict each other")
	}
}

func (d *decoder) forms(p *Profile) {
	n := d.count("forms", 64)
	for range n {
		name, count := d.text(64), d.count("texts of a form", p.Values())
		for i := range forms {
			if forms[i].Name == name {
				p.forms[i] = count
			}
		}
	}
	if p.kind != value.String && n > 0 {
		d.fail("it counts forms of what is no text")
	}
}

func (d *decoder) distinct(p *Profile) {
	const precision = 14
	raw := []byte(d.text(maxEncoded))
	if d.err != nil {
		return
	}
	if len(raw) < 2 || raw[1] != precision {
		d.fail("its sketch of different values is of another precision")
		return
	}
	p.distinct = &hyperloglog.Sketch{}
	if err := p.distinct.UnmarshalBinary(raw); err != nil {
		d.fail("its sketch of different values: %w", err)
	}
}

func (d *decoder) sketch(p *Profile) {
	left := p.Values()
	zeros := d.count("zeros", left)
	left -= zeros
	if zeros > 0 {
		p.sketch.addCount(0, float64(zeros))
	}
	highest := int64(p.sketch.dd.Index(p.sketch.dd.MaxIndexableValue()))
	lowest := int64(p.sketch.dd.Index(p.sketch.dd.MinIndexableValue()))
	for _, side := range p.sketch.sides() {
		bins, index := d.count("bins", sketchBins), int64(0)
		for i := range bins {
			if i == 0 {
				index = d.signed()
			} else {
				index += d.count("bins between two", sketchBins)
			}
			count := d.count("numbers in a bin", left)
			left -= count
			if d.err == nil && (index < lowest || index > highest || count == 0) {
				d.fail("a bin is beyond all numbers, or empty")
			}
			if d.err != nil {
				return
			}
			side.AddWithCount(int(index), float64(count))
		}
	}
	if left != 0 {
		d.fail("its bins do not hold all numbers")
	}
}

func (d *decoder) sample(p *Profile) {
	p.sample.state = d.word()
	n := d.count("numbers in the sample", sampleSize)
	if d.err == nil && n != min(p.Values(), sampleSize) {
		d.fail("its sample has another size")
	}
	last := uint64(0)
	for i := range n {
		step := d.uint()
		number := d.float()
		priority := last + step
		if d.err == nil && (priority < last || i > 0 && step == 0 && number < p.sample.members[0].number || number < p.spread.least || number > p.spread.most) {
			d.fail("its sample is out of order, or of other numbers")
		}
		if d.err != nil {
			return
		}
		p.sample.keep(drawn{priority, number})
		last = priority
	}
}

func (d *decoder) frequent(p *Profile) {
	left := p.Values()
	bits := frequentOf(d, &p.bits, "value", &left, d.uint)
	texts := frequentOf(d, &p.texts, "text", &left, func() string {
		text := d.text(maxKept)
		if !utf8.ValidString(text) {
			d.fail("one of its frequent texts is no UTF-8")
		}
		return text
	})
	if d.err == nil && (texts > 0 && p.kind != value.String || bits > 0 && p.kind.Array() || p.hidden && bits+texts > 0) {
		d.fail("it holds values that it should not")
	}
}

// frequentOf reads the frequent values of a sort, which are counted among those that are left, and answers how many they are.
func frequentOf[K cmp.Ordered](d *decoder, f *frequent[K], sort string, left *int64, read func() K) (n int64) {
	n = d.count("frequent "+sort+"s", 2*counters)
	var last K
	for i := range n {
		key, times := read(), d.count("of a "+sort, *left)
		*left -= times
		if d.err == nil && (i > 0 && key <= last || times == 0) {
			d.fail("its frequent %ss are out of order", sort)
		}
		if d.err == nil {
			f.add(key, true)
			f.counts[key] = times
		}
		last = key
	}
	f.missed = d.count(sort+"s missed", *left)
	return n
}
