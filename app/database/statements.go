package database

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm/logger"
)

// slow is from when on a statement is worth a warning.
const slow = time.Second

// statements is gorm's logger. It shows statements with placeholders only, never a row's values, and no errors: whoever handles
// an error logs it.
type statements struct{ log *slog.Logger }

var _ logger.Interface = statements{}

func (s statements) LogMode(logger.LogLevel) logger.Interface { return s }

func (s statements) Info(context.Context, string, ...any)  {}
func (s statements) Warn(context.Context, string, ...any)  {}
func (s statements) Error(context.Context, string, ...any) {}

// ParamsFilter takes the values out before gorm puts a statement together.
func (s statements) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

func (s statements) Trace(ctx context.Context, begin time.Time, statement func() (sql string, rows int64), _ error) {
	took := time.Since(begin)
	level, message := slog.LevelDebug, "statement"
	if took >= slow {
		level, message = slog.LevelWarn, "slow statement"
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	sql, rows := statement()
	s.log.Log(ctx, level, message, "sql", sql, "rows", rows, "took", took)
}
