package table

import "featurestore/modules/registry/value"

// Column is a column of a table that is written; Type is Invalid where it is not known.
type Column struct {
	Name string
	Type value.Type
	form form // localForm or dayForm where its times say nothing of their zone
}

// Column is what is known of a column: its name and, in formats whose columns have types, the type that its cells can be written as.
func (b *Batch) Column(i int) Column {
	if i < len(b.typed) {
		return b.typed[i]
	}
	return Column{Name: b.Columns[i]}
}
