package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
)

// postgresLimit does the bulk works by hand on PostgreSQL and Redis.
type postgresLimit struct{ postgres, redis string }

const postgresTable = ` (customer_id text COLLATE "C" NOT NULL, event_time timestamptz NOT NULL,
	ingest_time timestamptz NOT NULL DEFAULT clock_timestamp(), ingest_id bigint GENERATED ALWAYS AS IDENTITY,
	ingest_xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint, run_id bigint, schema_version int NOT NULL DEFAULT 1, presence smallint[],
	f0 float8, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8, f6 float8, f7 float8, f8 float8, f9 float8)`

// copyIn is COPY of the file, as it is or as CSV, into an indexed table.
func (l *postgresLimit) copyIn(ctx context.Context, table, path string) (time.Duration, error) {
	connection, err := pgx.Connect(ctx, l.postgres)
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	if _, err := connection.Exec(ctx, `CREATE TABLE `+table+postgresTable+`; CREATE INDEX ON `+table+` (customer_id, event_time DESC);
		CREATE INDEX ON `+table+` USING brin (ingest_xid)`); err != nil {
		return 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	rows := asCSV(file)
	defer rows.Close()
	_, err = connection.PgConn().CopyFrom(ctx, rows,
		`COPY `+table+` (customer_id, event_time, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) FROM STDIN (FORMAT csv, HEADER)`)
	return time.Since(began), err
}

func (l *postgresLimit) load(ctx context.Context, path string) (time.Duration, error) {
	return l.copyIn(ctx, "limit_loaded"+suffixOf(path), path)
}

func (l *postgresLimit) history(ctx context.Context, path string) (time.Duration, error) {
	for _, table := range []string{"limit_history_a", "limit_history_b"} {
		if _, err := l.copyIn(ctx, table, path); err != nil {
			return 0, err
		}
	}
	connection, err := pgx.Connect(ctx, l.postgres)
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	_, err = connection.Exec(ctx, `ANALYZE`)
	return 0, err
}

// materialize is COPY out of the table and one pipelined SET per row, of as many bytes as a packed row has.
func (l *postgresLimit) materialize(ctx context.Context) (time.Duration, error) {
	connection, err := pgx.Connect(ctx, l.postgres)
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	options, err := rueidis.ParseURL(l.redis)
	if err != nil {
		return 0, err
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	began := time.Now()
	read, write := io.Pipe()
	go func() {
		_, err := connection.PgConn().CopyTo(ctx, write,
			`COPY (SELECT customer_id, event_time, ingest_id, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM limit_loaded) TO STDOUT (FORMAT binary)`)
		write.CloseWithError(err)
	}()
	err = setAll(ctx, client, read)
	return time.Since(began), err
}

// setAll reads binary COPY rows and sets each under its key.
func setAll(ctx context.Context, client rueidis.Client, from io.Reader) error {
	head := make([]byte, 19)
	if _, err := io.ReadFull(from, head); err != nil {
		return err
	}
	var commands rueidis.Commands
	flush := func() error {
		for _, result := range client.DoMulti(ctx, commands...) {
			if err := result.Error(); err != nil {
				return err
			}
		}
		commands = commands[:0]
		return nil
	}
	buffered := newBuffered(from)
	payload := limitRow(1)
	for {
		var count [2]byte
		if _, err := io.ReadFull(buffered, count[:]); err != nil {
			return err
		}
		n := int16(binary.BigEndian.Uint16(count[:]))
		if n < 0 {
			return flush()
		}
		var key string
		for field := range n {
			var size [4]byte
			if _, err := io.ReadFull(buffered, size[:]); err != nil {
				return err
			}
			value := make([]byte, int32(binary.BigEndian.Uint32(size[:])))
			if _, err := io.ReadFull(buffered, value); err != nil {
				return err
			}
			if field == 0 {
				key = string(value)
			}
		}
		commands = append(commands, client.B().Set().Key("limit:m:"+key).Value(payload).Build())
		if len(commands) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// training uploads the spine, looks each row up by LATERAL in the order of the index, and copies the answer out in the spine's order.
func (l *postgresLimit) training(ctx context.Context, path string) (time.Duration, error) {
	connection, err := pgx.Connect(ctx, l.postgres)
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	if _, err := connection.Exec(ctx, `CREATE TEMP TABLE spine (n int GENERATED ALWAYS AS IDENTITY, customer_id text COLLATE "C", event_time timestamptz, label int)`); err != nil {
		return 0, err
	}
	spine := asCSV(file)
	defer spine.Close()
	if _, err := connection.PgConn().CopyFrom(ctx, spine, `COPY spine (customer_id, event_time, label) FROM STDIN (FORMAT csv, HEADER)`); err != nil {
		return 0, err
	}
	if _, err := connection.Exec(ctx, `ANALYZE spine`); err != nil {
		return 0, err
	}
	answer, ended := answerOf(path)
	columns := `f0, f1, f2, f3, f4, f5, f6, f7, f8, f9`
	_, err = connection.PgConn().CopyTo(ctx, answer, `COPY (
		SELECT s.customer_id, s.event_time, s.label, a.f0, a.f1, a.f2, a.f3, a.f4, a.f5, a.f6, a.f7, a.f8, a.f9,
		       b.f0 b0, b.f1 b1, b.f2 b2, b.f3 b3, b.f4 b4, b.f5 b5, b.f6 b6, b.f7 b7, b.f8 b8, b.f9 b9
		  FROM (SELECT * FROM spine ORDER BY customer_id, event_time) s
		  LEFT JOIN LATERAL (SELECT `+columns+` FROM limit_history_a h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time
		                      ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 1) a ON true
		  LEFT JOIN LATERAL (SELECT `+columns+` FROM limit_history_b h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time
		                      ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 1) b ON true
		 ORDER BY s.n) TO STDOUT (FORMAT csv, HEADER)`)
	err = errors.Join(err, answer.Close(), ended())
	return time.Since(began), err
}
