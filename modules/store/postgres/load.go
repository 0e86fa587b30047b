package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// load is one transaction with a COPY of its rows, which is interrupted for entries of the quarantine now and then. While it is open it holds one of the readers' connections and keeps columns
// from being added to the group's table.
type load struct {
	offline *Offline
	group   *registry.Group
	run     int64
	conn    *pgxpool.Conn
	began   int64 // µs, the server's clock: the ingest time of all rows, and the event time of those without one
	ledger  int64 // the version of the ledger of erased entities when it began
	cancel  context.CancelFunc

	rows   *io.PipeWriter // to the COPY; nil: none is under way
	copied chan error     // the COPY's outcome
	buffer []byte
	ended  bool

	entries []byte // of the quarantine, as a COPY of them begins

	publishing *publishing // nil: it is none

	copyText          string
	columns           []string // quoted
	added, duplicates int64
}

// Load begins a transaction on the group's table, whose layout must be the group's: ErrOutdated otherwise. It lives until Commit or
// Abort, or until ctx of one of its calls ends during that call.
func (o *Offline) Load(ctx context.Context, group *registry.Group, run int64) (store.Load, error) {
	return o.load(ctx, group, run, nil)
}

func (o *Offline) load(ctx context.Context, group *registry.Group, run int64, publishing *publishing) (store.Load, error) {
	conn, err := o.readers.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	l := &load{offline: o, group: group, run: run, conn: conn, publishing: publishing}
	l.columns = append(keyColumns(group, ""), "event_time", "ingest_time", "run_id", "schema_version", "presence")
	for _, feature := range group.Features {
		l.columns = append(l.columns, database.Quote(featureColumn(group, feature.Column)))
	}
	err = l.begin(ctx)
	table := o.table(group.Name)
	staged := group.IDColumn != ""
	if err == nil && publishing != nil {
		staged, err = l.before(ctx)
		publishing.staged = staged
	}
	if err == nil && staged {
		table, err = stagingTable, l.stage(ctx)
	}
	if err != nil {
		l.rollback()
		return nil, writeError(fmt.Errorf("beginning a load of group %s: %w", group.Name, err))
	}
	l.copyText = fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", table, strings.Join(l.columns, ", "))
	return l, nil
}

// copyHead is what a COPY begins with.
const copyHead = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// startCopy begins the COPY, if it is not under way. It lasts from call to call: none of their contexts is its own.
func (l *load) startCopy(ctx context.Context) {
	if l.rows != nil {
		return
	}
	copying, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reader, writer := io.Pipe()
	copied := make(chan error, 1)
	l.cancel, l.rows, l.copied = cancel, writer, copied
	go func() {
		_, err := l.conn.Conn().PgConn().CopyFrom(copying, reader, l.copyText)
		reader.CloseWithError(err)
		copied <- err
	}()
	l.buffer = append(l.buffer[:0], copyHead...)
}

// endCopy ends the COPY, if it is under way.
func (l *load) endCopy(ctx context.Context) error {
	if l.rows == nil {
		return nil
	}
	defer context.AfterFunc(ctx, l.cancel)()
	l.buffer = append(l.buffer, 0xff, 0xff) // the end of the rows
	if err := l.send(ctx); err != nil {
		return err
	}
	l.rows.Close()
	err := <-l.copied
	l.cancel()
	l.rows = nil
	return l.copyError(ctx, err)
}

// begin locks the table, as an insert does, and looks at the layout after it has the lock.
func (l *load) begin(ctx context.Context) error {
	var layouts int
	if _, err := l.conn.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if _, err := l.conn.Exec(ctx, "LOCK TABLE "+l.offline.table(l.group.Name)+" IN ROW EXCLUSIVE MODE"); err != nil {
		return err
	}
	err := l.conn.QueryRow(ctx, `SELECT count(*), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT version FROM `+l.offline.table("__ledger")+`) FROM `+l.offline.table("__layouts")+
		` WHERE group_id = $1 AND version = $2 AND table_name = $3`, l.group.ID, l.group.SchemaVersion, l.group.Name).Scan(&layouts, &l.began, &l.ledger)
	if err == nil && layouts == 0 {
		err = store.ErrOutdated
	}
	return err
}

// copyBytes is how much is encoded before it is handed on: with the row that passes it about what goes into one message.
const copyBytes = 60 << 10

func (l *load) Add(ctx context.Context, rows *store.Rows) error {
	if l.ended {
		return errors.New("the load has ended")
	}
	if err := errors.Join(check(rows), checkIDs(rows)); err != nil {
		return err
	}
	if rows.Checked < l.ledger {
		return store.ErrUnchecked
	}
	l.added += int64(len(rows.Keys))
	l.startCopy(ctx)
	defer context.AfterFunc(ctx, l.cancel)()
	places := l.places(rows)
	width := 5 + len(rows.Group.EntityType.JoinKeys) + len(l.group.Features)
	var ordinals []uint16
	for i, key := range rows.Keys {
		b := append(l.buffer, byte(width>>8), byte(width))
		for _, v := range key.Values {
			b = appendField(b, v)
		}
		at := rows.EventTimes[i]
		if at == value.NoTime {
			at = l.began
		}
		b = appendInt64(append(b, 0, 0, 0, 8), timestamp(at))
		b = appendInt64(append(b, 0, 0, 0, 8), timestamp(l.began))
		if l.run == 0 {
			b = appendNull(b)
		} else {
			b = appendInt64(append(b, 0, 0, 0, 8), l.run)
		}
		b = appendInt32(append(b, 0, 0, 0, 4), l.group.SchemaVersion)
		if rows.Whole(i) {
			b = appendNull(b)
		} else {
			ordinals = observedOrdinals(ordinals[:0], rows, i)
			size := len(b)
			b = appendOrdinals(beginArray(append(b, 0, 0, 0, 0), smallintID, len(ordinals)), ordinals)
			binary.BigEndian.PutUint32(b[size:], uint32(len(b)-size-4))
		}
		row := rows.Row(i)
		for _, place := range places {
			if place < 0 {
				b = appendNull(b)
			} else {
				b = appendField(b, row[place])
			}
		}
		if l.buffer = b; len(b) >= copyBytes {
			if err := l.send(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// places says for each feature of the group which value of a row it is; -1: none.
func (l *load) places(rows *store.Rows) []int {
	places := make([]int, len(l.group.Features))
	at := 0
	for i, feature := range l.group.Features {
		places[i] = -1
		if at < len(rows.Features) && rows.Features[at].Ordinal == feature.Ordinal {
			places[i] = at
			at++
		}
	}
	return places
}

func (l *load) send(ctx context.Context) error {
	_, err := l.rows.Write(l.buffer)
	l.buffer = l.buffer[:0]
	return l.copyError(ctx, err)
}

// copyError is the error of a COPY; of one that ctx broke off, whatever its connection says, that of ctx.
func (l *load) copyError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return writeError(fmt.Errorf("loading group %s: %w", l.group.Name, err))
}

func (l *load) Commit(ctx context.Context) error { return l.CommitOnce(ctx, nil) }

// CommitOnce remembers the request as the transaction's last step, so that its key is locked for a moment only.
func (l *load) CommitOnce(ctx context.Context, request *store.KeyedRequest) error {
	if l.ended {
		return errors.New("the load has ended")
	}
	err := l.endCopy(ctx)
	if err == nil {
		err = l.copyEntries(ctx)
	}
	if err == nil && l.group.IDColumn != "" {
		err = l.copyError(ctx, l.insertStaged(ctx))
	}
	if err == nil && l.run != 0 {
		err = l.pass(ctx)
	}
	if err == nil && l.publishing != nil {
		err = l.copyError(ctx, l.publish(ctx))
	}
	if err == nil && request != nil {
		err = l.remember(ctx, request)
	}
	if err != nil {
		l.end()
		return err
	}
	if _, err := l.conn.Exec(ctx, "COMMIT"); err != nil {
		l.end()
		return fmt.Errorf("committing a load of group %s: %w", l.group.Name, err)
	}
	l.ended = true
	l.conn.Release()
	return nil
}

// Abort leaves nothing of the load.
func (l *load) Abort(context.Context) error {
	if !l.ended {
		l.end()
	}
	return nil
}

var errAborted = errors.New("the load was aborted")

// end breaks the COPY off if it still runs, and the transaction with it.
func (l *load) end() {
	l.ended = true
	if l.rows != nil {
		l.rows.CloseWithError(errAborted)
		<-l.copied
		l.cancel()
	}
	l.rollback()
}

// rollback gives the connection back; one that is broken is thrown away by the pool, and the server forgets its transaction.
func (l *load) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_, _ = l.conn.Exec(ctx, "ROLLBACK")
	l.conn.Release()
}
