package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
)

// postgresLimit does the bulk works by hand on PostgreSQL and Redis.
type postgresLimit struct{ postgres, redis string }

// postgresTable and postgresIndexes are what a group of ours has.
const postgresTable = ` (customer_id text COLLATE "C" NOT NULL, event_time timestamptz NOT NULL,
	ingest_time timestamptz NOT NULL DEFAULT clock_timestamp(), ingest_id bigint GENERATED ALWAYS AS IDENTITY,
	ingest_xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint, run_id bigint DEFAULT 1, schema_version int NOT NULL DEFAULT 1, presence smallint[],
	f0 float8, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8, f6 float8, f7 float8, f8 float8, f9 float8)`

func postgresIndexes(table string) string {
	return `; CREATE INDEX ON ` + table + ` (customer_id, event_time DESC, ingest_id DESC); CREATE INDEX ON ` + table + ` (ingest_xid)`
}

// connect turns compiling off, which costs such queries more than it saves.
func (l *postgresLimit) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(l.postgres)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["jit"] = "off"
	return pgx.ConnectConfig(ctx, config)
}

// load is COPY of the file, as it is or as CSV, into an indexed table.
func (l *postgresLimit) load(ctx context.Context, table, path string, run int) (time.Duration, error) {
	connection, err := l.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	var exists bool
	if err := connection.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&exists); err != nil {
		return 0, err
	}
	if !exists {
		if _, err := connection.Exec(ctx, `CREATE TABLE `+table+postgresTable+postgresIndexes(table)); err != nil {
			return 0, err
		}
	}
	if _, err := connection.Exec(ctx, fmt.Sprintf(`ALTER TABLE %s ALTER run_id SET DEFAULT %d`, table, run)); err != nil {
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
	took := time.Since(began)
	if err == nil {
		_, err = connection.Exec(ctx, `ANALYZE `+table)
	}
	return took, err
}

func (l *postgresLimit) online() (rueidis.Client, error) {
	options, err := rueidis.ParseURL(l.redis)
	if err != nil {
		return nil, err
	}
	options.DisableCache = true
	return rueidis.NewClient(options)
}

// servers connects to both; done ends that.
func (l *postgresLimit) servers(ctx context.Context) (connection *pgx.Conn, client rueidis.Client, done func(), err error) {
	if connection, err = l.connect(ctx); err != nil {
		return nil, nil, nil, err
	}
	if client, err = l.online(); err != nil {
		return nil, nil, nil, errors.Join(err, connection.Close(ctx))
	}
	return connection, client, func() { client.Close(); connection.Close(ctx) }, nil //nolint:errcheck // all is done
}

const limitOnline = "limit:m:" // what its keys in Redis begin with

// revert is one DELETE, a look-up of a thousand entities' newest rows at a time, and pipelined SETs. Until the last of them, what is still to be set
// right is noted in a table, by which it could be gone on with after a crash.
func (l *postgresLimit) revert(ctx context.Context, table string, run int) (time.Duration, error) {
	connection, client, done, err := l.servers(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if _, err := connection.Exec(ctx, `CREATE TABLE IF NOT EXISTS limit_removed (run_id bigint NOT NULL, customer_id text NOT NULL, ingest_id bigint NOT NULL)`); err != nil {
		return 0, err
	}
	began := time.Now()
	rows, err := connection.Query(ctx, `WITH gone AS (DELETE FROM `+table+` WHERE run_id = $1 RETURNING customer_id, ingest_id)
		INSERT INTO limit_removed SELECT $1, customer_id, ingest_id FROM gone RETURNING customer_id`, run)
	if err != nil {
		return 0, err
	}
	entities, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	slices.Sort(entities)
	payload := limitRow(1)
	for part := range slices.Chunk(slices.Compact(entities), 1000) {
		rows, err := connection.Query(ctx, `SELECT k, h.* FROM unnest($1::text[]) k LEFT JOIN LATERAL (SELECT event_time, ingest_id, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9
			FROM `+table+` h WHERE h.customer_id = k ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 1) h ON true`, part)
		if err != nil {
			return 0, err
		}
		var commands rueidis.Commands
		for rows.Next() {
			raw := rows.RawValues()
			key := limitOnline + string(raw[0])
			if raw[1] == nil {
				commands = append(commands, client.B().Unlink().Key(key).Build())
			} else {
				commands = append(commands, client.B().Set().Key(key).Value(payload).Build())
			}
		}
		if err := rows.Err(); err != nil {
			return 0, err
		}
		if err := all(client.DoMulti(ctx, commands...)); err != nil {
			return 0, err
		}
	}
	_, err = connection.Exec(ctx, `DELETE FROM limit_removed WHERE run_id = $1`, run)
	return time.Since(began), err
}

func all(results []rueidis.RedisResult) error {
	for _, result := range results {
		if err := result.Error(); err != nil {
			return err
		}
	}
	return nil
}

// rebuild looks through all keys and removes its own before it materializes.
func (l *postgresLimit) rebuild(ctx context.Context, table string) (time.Duration, error) {
	client, err := l.online()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	began := time.Now()
	for cursor := uint64(0); ; {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(limitOnline+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			return 0, err
		}
		if len(page.Elements) > 0 {
			if err := client.Do(ctx, client.B().Unlink().Key(page.Elements...).Build()).Error(); err != nil {
				return 0, err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			break
		}
	}
	emptied := time.Since(began)
	filled, err := l.materialize(ctx, table)
	return emptied + filled, err
}

// materialize is COPY out of the table and one pipelined SET per row, of as many bytes as a packed row has.
func (l *postgresLimit) materialize(ctx context.Context, table string) (time.Duration, error) {
	connection, client, done, err := l.servers(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	began := time.Now()
	read, write := io.Pipe()
	go func() {
		_, err := connection.PgConn().CopyTo(ctx, write,
			`COPY (SELECT customer_id, event_time, ingest_id, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM `+table+`) TO STDOUT (FORMAT binary)`)
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
		err := all(client.DoMulti(ctx, commands...))
		commands = commands[:0]
		return err
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
		commands = append(commands, client.B().Set().Key(limitOnline+key).Value(payload).Build())
		if len(commands) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// training uploads the spine, looks each row up by LATERAL in the order of the index, and copies the answer out in the spine's order. Of
// partial rows it looks a few up.
func (l *postgresLimit) training(ctx context.Context, tables [2]string, path string, ttl time.Duration, partial bool) (time.Duration, error) {
	connection, err := l.connect(ctx)
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
	look := postgresWhole
	if partial {
		look = postgresPartial
	}
	since := ""
	if ttl > 0 {
		since = fmt.Sprintf(` AND h.event_time >= s.event_time - interval '%d seconds'`, int(ttl.Seconds()))
	}
	a, fromA := look(tables[0], "a", since)
	b, fromB := look(tables[1], "b", since)
	_, err = connection.PgConn().CopyTo(ctx, answer, `COPY (SELECT s.customer_id, s.event_time, s.label`+a+b+`
		FROM (SELECT * FROM spine ORDER BY customer_id, event_time) s`+fromA+fromB+` ORDER BY s.n) TO STDOUT (FORMAT csv, HEADER)`)
	err = errors.Join(err, answer.Close(), ended())
	return time.Since(began), err
}

const limitNewest = ` h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time`

// postgresWhole looks a table's newest row up: the columns of the answer, and what they come from.
func postgresWhole(table, name, since string) (columns, from string) {
	for f := range 10 {
		columns += fmt.Sprintf(", %s.f%d %s%d", name, f, name, f)
	}
	return columns, ` LEFT JOIN LATERAL (SELECT f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM ` + table + limitNewest + since +
		` ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 1) ` + name + ` ON true`
}

// postgresPartial puts each feature's newest value together from the eight newest rows, and looks up what none of them has: with half of the
// features in each row, three to four times as fast as looking up every feature.
func postgresPartial(table, name, since string) (columns, from string) {
	newest := table + limitNewest + since
	var firsts []string
	for f := range 10 {
		columns += fmt.Sprintf(`, coalesce(%s.f%d, (SELECT f%d FROM %s AND f%d IS NOT NULL ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 1)) %s%d`,
			name, f, f, newest, f, name, f)
		firsts = append(firsts, fmt.Sprintf(`(array_agg(f%d) FILTER (WHERE f%d IS NOT NULL))[1] f%d`, f, f, f))
	}
	return columns, ` LEFT JOIN LATERAL (SELECT ` + strings.Join(firsts, ", ") + ` FROM (SELECT f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM ` + newest +
		` ORDER BY h.event_time DESC, h.ingest_id DESC LIMIT 8) r) ` + name + ` ON true`
}
