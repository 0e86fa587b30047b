package packed

// Outcome says what Merge found.
type Outcome uint8

const (
	Written Outcome = iota // at least one feature of the incoming row is newer, or new
	Older                  // nothing is newer; the stored row stays
)

// Merge appends to dst the row that holds, of each feature, the newer value of stored ("": none) and incoming; of equal stamps
// the stored one, which is the same observation. With Older nothing is appended. It is what the script inside Redis
// does, byte for byte.
func Merge(dst []byte, stored, incoming string) ([]byte, Outcome, error) {
	in, err := Open(incoming)
	if err != nil {
		return dst, Older, err
	}
	if stored == "" {
		return append(dst, incoming...), Written, nil
	}
	st, err := Open(stored)
	if err != nil {
		return dst, Older, err
	}
	if in.stamps == 0 && in.Newest().Newer(st.Newest()) && in.covers(st) {
		return append(dst, incoming...), Written, nil
	}
	return mergeFeatures(dst, st, in)
}

// covers tells whether v has every feature that w has.
func (v View) covers(w View) bool {
	mine, theirs := v.row[v.ordinals:v.tags], w.row[w.ordinals:w.tags]
	if mine == theirs {
		return true
	}
	for at, i := 0, 0; at < len(theirs); at += 2 {
		for i < len(mine) && mine[i:i+2] < theirs[at:at+2] {
			i += 2
		}
		if i == len(mine) || mine[i:i+2] != theirs[at:at+2] {
			return false
		}
	}
	return true
}

// part is one feature of one of the rows.
type part struct {
	ordinal uint16
	tag     byte
	stamp   Stamp
	value   string
}

// parts cuts a row into its features.
func (v View) parts(into []part) ([]part, error) {
	at := v.values
	for i := range v.n {
		tag := v.row[v.tags+i]
		size := v.size(tag, at)
		if size < 0 {
			return nil, damaged("feature %d ends outside the row", v.ordinal(i))
		}
		into = append(into, part{v.ordinal(i), tag, v.stamp(i), v.row[at : at+size]})
		at += size
	}
	if at != len(v.row) {
		return nil, damaged("%d bytes behind the last value", len(v.row)-at)
	}
	return into, nil
}

func mergeFeatures(dst []byte, stored, incoming View) ([]byte, Outcome, error) {
	old, err := stored.parts(make([]part, 0, stored.n))
	if err != nil {
		return dst, Older, err
	}
	in, err := incoming.parts(make([]part, 0, incoming.n))
	if err != nil {
		return dst, Older, err
	}
	merged := make([]part, 0, len(old)+len(in))
	outcome := Older
	for len(old) > 0 || len(in) > 0 {
		switch {
		case len(in) == 0 || len(old) > 0 && old[0].ordinal < in[0].ordinal:
			merged, old = append(merged, old[0]), old[1:]
		case len(old) == 0 || in[0].ordinal < old[0].ordinal:
			merged, in, outcome = append(merged, in[0]), in[1:], Written
		default:
			if in[0].stamp.Newer(old[0].stamp) {
				merged, outcome = append(merged, in[0]), Written
			} else {
				merged = append(merged, old[0])
			}
			old, in = old[1:], in[1:]
		}
	}
	if outcome == Older {
		return dst, Older, nil
	}
	return appendParts(dst, stored.Key(), merged), Written, nil
}

func appendParts(dst []byte, key string, parts []part) []byte {
	newest, flags := parts[0].stamp, byte(0)
	for _, p := range parts[1:] {
		if p.stamp != newest {
			flags = stamped
		}
		if p.stamp.Newer(newest) {
			newest = p.stamp
		}
	}
	at := len(dst)
	dst = append(dst, make([]byte, headSize)...)
	putHead(dst[at:], flags, newest, len(parts))
	dst[at+20], dst[at+21] = byte(len(key)>>8), byte(len(key))
	dst = append(dst, key...)
	for _, p := range parts {
		dst = append(dst, byte(p.ordinal>>8), byte(p.ordinal))
	}
	for _, p := range parts {
		dst = append(dst, p.tag)
	}
	if flags == stamped {
		for _, p := range parts {
			dst = appendStamp(dst, p.stamp)
		}
	}
	for _, p := range parts {
		dst = append(dst, p.value...)
	}
	return dst
}
