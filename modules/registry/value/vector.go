package value

// Vector is a column of values that takes little memory: 9 bytes for a number, a time or a boolean, where a Value takes 32.
type Vector struct {
	kinds []Type
	bits  []uint64
	texts []string // nil until the first value that has one
}

// NewVector has so many values, all of them absent.
func NewVector(n int) Vector { return Vector{kinds: make([]Type, n), bits: make([]uint64, n)} }

// At is the value at a place.
func (v *Vector) At(i int) Value {
	at := Value{kind: v.kinds[i], bits: v.bits[i]}
	if v.texts != nil {
		at.text = v.texts[i]
	}
	return at
}

// Set puts a value at a place. What text it has is shared.
func (v *Vector) Set(i int, to Value) {
	v.kinds[i], v.bits[i] = to.kind, to.bits
	if to.text != "" && v.texts == nil {
		v.texts = make([]string, len(v.kinds))
	}
	if v.texts != nil {
		v.texts[i] = to.text
	}
}
