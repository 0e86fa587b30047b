package store

import "fmt"

// rowPlace is the location of a cell in a table, for messages; rows count from 1, a header is none.
func rowPlace(row int64, column string) string {
	if column == "" {
		return fmt.Sprintf("row %d", row)
	}
	return fmt.Sprintf("row %d, column %s", row, column)
}
