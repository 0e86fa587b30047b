package database

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Micros is a time in a gorm row: microseconds since 1970 in UTC, an INTEGER column in SQLite and timestamptz in PostgreSQL.
// (gorm's own times are text in SQLite, which compares wrongly across zones.) A column that can be null is a *Micros.
type Micros int64

// MicrosOf cuts what is finer than a microsecond.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time is in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// GormDataType keeps gorm from taking the number for seconds, and from setting columns called created_at by itself.
func (Micros) GormDataType() string { return "micros" }

// GormValue writes the time in the form of the database's dialect.
func (m Micros) GormValue(_ context.Context, db *gorm.DB) clause.Expr {
	if Postgres(db) {
		return clause.Expr{SQL: "?", Vars: []any{m.Time()}}
	}
	return clause.Expr{SQL: "?", Vars: []any{int64(m)}}
}

// Scan reads either form.
func (m *Micros) Scan(from any) error {
	switch v := from.(type) {
	case int64:
		*m = Micros(v)
	case time.Time:
		*m = MicrosOf(v)
	default:
		return fmt.Errorf("read a time from %T", from)
	}
	return nil
}
