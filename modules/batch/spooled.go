package batch

// Spooled is the events of a job in a file of Parquet, for engines that read nothing else: columns k0, k1 … of the join keys, event_us, seq, and c0, c1 … of the plan, of
// which times are numbers of µs.
type Spooled struct {
	Path    string
	Rows    int64
	Columns []Range // of the plan
}

// Range is what is known of a spooled column: how many values are null, and, of INTEGER and FLOAT, what the others are between, 0 and 0 where there are none.
type Range struct {
	Nulls           int64
	Least, Greatest float64
}
