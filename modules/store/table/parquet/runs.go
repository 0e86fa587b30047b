package parquet

import (
	"encoding/binary"
	"errors"
	"io"
)

// runs takes numbers of a few bits from the hybrid of run lengths and packed bits that levels, dictionary indexes and booleans have.
type runs struct {
	b     []byte // behind the current run
	width uint   // bits of a number, at most 32

	left   uint64 // numbers of the current run that are left
	packed []byte // the run, if its numbers are packed
	bit    uint64 // where the next one of them begins
	value  uint32 // of the run, if it is one number again and again
}

func (r *runs) next() (uint32, error) {
	if r.left == 0 {
		if r.width == 0 {
			return 0, nil
		}
		if err := r.run(); err != nil {
			return 0, err
		}
	}
	r.left--
	if r.packed == nil {
		return r.value, nil
	}
	value := uint32(bitsAt(r.packed, r.bit, r.width))
	r.bit += uint64(r.width)
	return value, nil
}

// run begins the next run.
func (r *runs) run() error {
	for r.left == 0 {
		head, n := binary.Uvarint(r.b)
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		if n < 0 {
			return errors.New("a run claims more than 64 bits can count")
		}
		r.b = r.b[n:]
		count := head >> 1
		if head&1 == 0 {
			size := int(r.width+7) / 8
			if size > len(r.b) {
				return io.ErrUnexpectedEOF
			}
			r.value = 0
			for i, c := range r.b[:size] {
				r.value |= uint32(c) << (8 * i)
			}
			r.b, r.left, r.packed = r.b[size:], count, nil
			continue
		}
		// Groups of eight; the last one may be cut off behind the last number that counts.
		available := uint64(len(r.b)) / uint64(r.width)
		bytes := uint64(len(r.b))
		if count <= available {
			bytes = count * uint64(r.width)
		} else {
			count = available + 1
		}
		r.packed, r.b, r.bit = r.b[:bytes:bytes], r.b[bytes:], 0
		r.left = min(8*count, 8*bytes/uint64(r.width))
	}
	return nil
}

// bitsAt reads width bits, at most 64, beginning with the bit at, the lowest first; what is beyond the end is zero.
func bitsAt(b []byte, at uint64, width uint) uint64 {
	i, shift := at>>3, uint(at&7)
	if i+8 <= uint64(len(b)) {
		v := binary.LittleEndian.Uint64(b[i:]) >> shift
		if width+shift > 64 {
			if i+8 < uint64(len(b)) {
				v |= uint64(b[i+8]) << (64 - shift)
			}
		}
		return v & mask(width)
	}
	var v uint64
	for k := i; k < uint64(len(b)) && k < i+8; k++ {
		v |= uint64(b[k]) << (8 * (k - i))
	}
	return v >> shift & mask(width)
}

func mask(width uint) uint64 {
	if width >= 64 {
		return ^uint64(0)
	}
	return 1<<width - 1
}
