package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// PostgreSQL's error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	divisionByZero       = "22012" // how an insert's guard fails: see insert
	invalidSquareRoot    = "2201F" // how a known key fails: see rememberText
	invalidLogarithm     = "2201E" // how rows fail that were checked against an older ledger: see insert
	outOfRange           = "22003" // how entries of the quarantine fail that do not wait any more: see replayText
	undefinedTable       = "42P01"
	undefinedColumn      = "42703"
	undefinedSchema      = "3F000"
	datatypeMismatch     = "42804"
	duplicateTable       = "42P07"
	duplicateColumn      = "42701"
	duplicateObject      = "42710" // the row type that comes with a table
	uniqueViolation      = "23505"
	deadlockDetected     = "40P01"
	serializationFailure = "40001"
	lockNotAvailable     = "55P03"
	programLimitExceeded = "54000"
)

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lost tells whether a transaction failed only because of others, or before anything was sent: it left no trace and may be repeated.
func lost(err error) bool {
	switch code(err) {
	case deadlockDetected, serializationFailure:
		return true
	case "":
		return pgconn.SafeToRetry(err)
	}
	return false
}

// writeError gives the errors of writing the kinds that store.Offline promises.
func writeError(err error) error {
	switch code(err) {
	case invalidLogarithm:
		return store.ErrUnchecked
	case outOfRange:
		return store.ErrNotWaiting
	case divisionByZero, undefinedTable, undefinedColumn, undefinedSchema, datatypeMismatch:
		return store.ErrOutdated
	case programLimitExceeded:
		return fault.New(fault.Unprocessable, "row-too-large",
			"a row is too large for PostgreSQL: its join keys take over 2,700 bytes, or the group has too many long values for one row of 8 kB").Because(err)
	}
	return err
}
