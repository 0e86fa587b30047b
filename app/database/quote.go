package database

import "strings"

// Quote makes an identifier of any name, for SQLite and PostgreSQL alike. The name holds no NUL.
func Quote(identifier string) string {
	return `"` + strings.ReplaceAll(identifier, `"`, `""`) + `"`
}
