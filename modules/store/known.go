package store

// Known says which rows of an offline store count as known: those that a snapshot showed, or those that came in up to a time.
type Known struct {
	Head int64  // rows at this place in the order of ingestion and behind it are not known; 0: Time says what is
	Open []Span // nor are those at these places, of writes that were under way: ascending, with gaps between them

	Time int64 // with Head 0: rows that came in later (ingest time, µs) are not known
}

// Span is some places in the order of ingestion that follow each other.
type Span struct{ First, Last int64 }

// Hide takes further places, none below those taken before, out of what is known.
func (k *Known) Hide(span Span) {
	if n := len(k.Open); n > 0 && k.Open[n-1].Last+1 >= span.First {
		k.Open[n-1].Last = max(k.Open[n-1].Last, span.Last)
		return
	}
	k.Open = append(k.Open, span)
}
