package app

import (
	"slices"

	"featurestore/app/database"
)

// reading are the operations that change nothing although their method is POST: what they are asked with is too large for an address.
var reading = []string{"get-many", "get-online-features", "training-set"}

// reads tells whether an operation of another method than GET changes nothing.
func reads(operationID string) bool { return slices.Contains(reading, operationID) }

// unchanged makes it a refusal that a process that only reads would have had to bring tables up to date.
func unchanged(err error) error {
	if database.ReadOnly(err) {
		return refuse("read_only is set, and the tables are not up to date with this release: run `featurestore migrate` first, or the release that wrote them")
	}
	return err
}
