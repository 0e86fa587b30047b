package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// Busy tells whether a statement failed only because another one was in its way: repeated later, it may succeed.
func Busy(err error) bool {
	var sqlite sqlite3.Error
	if errors.As(err, &sqlite) {
		return sqlite.Code == sqlite3.ErrBusy || sqlite.Code == sqlite3.ErrLocked
	}
	switch code(err) {
	case "55P03", "40001", "40P01": // lock not available, serialization failure, deadlock
		return true
	}
	return false
}

// ReadOnly tells whether a statement was refused because its connection, or the whole server, only reads.
func ReadOnly(err error) bool { return code(err) == "25006" }

// Unavailable tells whether a statement failed because the server could not be reached, was going down or coming up, or has no room left.
func Unavailable(err error) bool {
	if Full(err) {
		return true
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) {
		return true
	}
	if pgconn.SafeToRetry(err) && !errors.Is(err, context.Canceled) { // the connection was found closed before anything was sent
		return true
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	state := code(err)
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P") || state == "53300"
}

// Full tells whether a statement failed because there is no room left where the database keeps its files.
func Full(err error) bool {
	var sqlite sqlite3.Error
	if errors.As(err, &sqlite) {
		return sqlite.Code == sqlite3.ErrFull
	}
	return code(err) == "53100" || errors.Is(err, syscall.ENOSPC)
}

// Duplicate tells whether a statement failed because a unique index has such an entry already.
func Duplicate(err error) bool {
	var sqlite sqlite3.Error
	if errors.As(err, &sqlite) {
		return sqlite.ExtendedCode == sqlite3.ErrConstraintUnique
	}
	return code(err) == "23505"
}
