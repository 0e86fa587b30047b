package postgres

import (
	"fmt"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
)

// countedColumns is how many columns a function of PostgreSQL's takes.
const countedColumns = 100

// observedColumns is the SQL of the two columns that tell which features the row o observes, for observationOf. As a rule a partial row observes
// no nulls, and then it observes what it has values of: its presence, which costs more to send than its values, is not sent.
func (l layout) observedColumns() []string {
	presence := "o.presence"
	if n := len(l.columns); n > 0 && n <= countedColumns {
		columns := make([]string, n)
		for i, column := range l.columns {
			columns[i] = "o." + database.Quote(column)
		}
		presence = fmt.Sprintf("CASE WHEN o.presence IS NOT NULL AND cardinality(o.presence) <> num_nonnulls(%s) THEN o.presence END", strings.Join(columns, ", "))
	}
	return []string{"CASE WHEN o.presence IS NULL THEN o.schema_version END", presence}
}

// observation is what a row says of which features it observes.
type observation struct {
	partial  bool
	version  int    // of a whole row
	presence []byte // of a partial row; nil: what it has values of
}

// storedObservation is what a row says whose version and presence are given as they are stored.
func storedObservation(version, presence []byte) observation {
	return observation{partial: presence != nil, version: decodeInt32(version), presence: presence}
}

// observationOf reads observedColumns.
func observationOf(row [][]byte) observation {
	if row[0] == nil {
		return observation{partial: true, presence: row[1]}
	}
	return observation{version: decodeInt32(row[0])}
}

// observes tells whether the row observes the feature, whose column is as given.
func (o *observation) observes(feature *registry.Feature, column []byte) bool {
	if column != nil {
		return true
	}
	if !o.partial {
		return o.version >= feature.Since && (feature.Until == 0 || o.version < feature.Until)
	}
	for b := o.presence[min(arrayHead, len(o.presence)):]; len(b) >= 6; b = b[6:] {
		if uint16(b[4])<<8|uint16(b[5]) == feature.Ordinal {
			return true
		}
	}
	return false
}
