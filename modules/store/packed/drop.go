package packed

// Drop appends to dst what is left of a stored row ("": none) once every feature is taken out of it whose value came with one of the
// ingest ids, merged with the incoming row ("": none) as Merge does. A stored row that is damaged leaves nothing. Written says that
// something was taken out or merged: the result, empty where nothing is left, takes the stored row's place. With Older nothing is
// appended. It is what the script inside Redis does, byte for byte.
func Drop(dst []byte, stored string, ids map[int64]bool, incoming string) ([]byte, Outcome, error) {
	kept, found := keep(stored, ids)
	if incoming == "" {
		if !found {
			return dst, Older, nil
		}
		return append(dst, kept...), Written, nil
	}
	merged, outcome, err := Merge(dst, kept, incoming)
	if err == nil && outcome == Older && found {
		return append(dst, kept...), Written, nil
	}
	return merged, outcome, err
}

// keep takes features out of a row; found says that there were such, or that the row was damaged.
func keep(row string, ids map[int64]bool) (kept string, found bool) {
	if row == "" {
		return "", false
	}
	view, err := Open(row)
	if err != nil {
		return "", true
	}
	all, err := view.parts(make([]part, 0, view.n))
	if err != nil {
		return "", true
	}
	left := make([]part, 0, len(all))
	for _, p := range all {
		if !ids[p.stamp.IngestID] {
			left = append(left, p)
		}
	}
	switch len(left) {
	case len(all):
		return row, false
	case 0:
		return "", true
	}
	return string(appendParts(nil, view.Key(), left)), true
}
