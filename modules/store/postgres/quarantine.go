package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// quarantineSchema makes the quarantine of all groups. entity is null once an entry has ended waiting, as are document and broken; rules has
// each rule's name between line ends. __quarantine_past counts the entries that are removed, by what became of them. Times are µs.
func (o *Offline) quarantineSchema() []string {
	table := o.table("__quarantine")
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + table + ` (
			number     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
			id         text COLLATE "C" NOT NULL UNIQUE,
			group_id   bigint NOT NULL,
			entity     bytea,
			event_time bigint NOT NULL,
			at         bigint NOT NULL,
			way        text COLLATE "C" NOT NULL,
			run_id     bigint NOT NULL,
			file       text COLLATE "C" NOT NULL,
			row        bigint NOT NULL,
			rules      text COLLATE "C" NOT NULL,
			broken     text COLLATE "C",
			document   text COLLATE "C",
			state      text COLLATE "C" NOT NULL DEFAULT 'waiting',
			version    integer NOT NULL DEFAULT 1,
			ended      bigint NOT NULL DEFAULT 0)`,
		`CREATE INDEX IF NOT EXISTS __quarantine_by_state ON ` + table + ` (group_id, state, number)`,
		`CREATE INDEX IF NOT EXISTS __quarantine_by_entity ON ` + table + ` (entity, group_id) WHERE entity IS NOT NULL`,
		`CREATE INDEX IF NOT EXISTS __quarantine_by_run ON ` + table + ` (run_id) WHERE run_id <> 0`,
		`CREATE INDEX IF NOT EXISTS __quarantine_waiting ON ` + table + ` (at) WHERE state = 'waiting'`,
		`CREATE INDEX IF NOT EXISTS __quarantine_ended ON ` + table + ` (ended) WHERE ended <> 0`,
		`CREATE TABLE IF NOT EXISTS ` + o.table("__quarantine_past") + ` (
			group_id bigint NOT NULL,
			state    text COLLATE "C" NOT NULL,
			entries  bigint NOT NULL,
			PRIMARY KEY (group_id, state))`,
	}
}

// transactionTime is when the transaction began, in µs: what rows without an event time get.
const transactionTime = "(extract(epoch FROM now()) * 1000000)::bigint"

// ends is what becomes of an entry that ends waiting, but for its state.
const ends = "ended = " + transactionTime + ", entity = NULL, broken = NULL, document = NULL"

// admitText brings entries of one group in. It locks the group's table as an insert into it does, though it changes nothing there, and looks
// at the layout and the ledger after that: see insert.
func (o *Offline) admitText(group *registry.Group) string {
	return `WITH held AS (DELETE FROM ` + o.table(group.Name) + ` WHERE false)
	INSERT INTO ` + o.table("__quarantine") + ` (id, group_id, entity, event_time, at, way, run_id, file, row, rules, broken, document)
	SELECT u.id, $1::bigint, u.entity, coalesce(u.event_time, ` + transactionTime + `), ` + transactionTime + `, u.way, u.run_id, u.file, u.row, u.rules, u.broken, u.document
	FROM unnest($4::text[], $5::bytea[], $6::bigint[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[])
		AS u(id, entity, event_time, way, run_id, file, row, rules, broken, document)
	WHERE 1 / (SELECT count(*) FROM ` + o.table("__layouts") + ` WHERE group_id = $1::bigint AND version = $2::integer AND table_name = ` + literal(group.Name) + `) = 1
		AND ln((SELECT (version <= $3::bigint)::int FROM ` + o.table("__ledger") + `)::double precision) = 0
	RETURNING event_time, at`
}

// admitting is the call that brings entries of one group in.
func (o *Offline) admitting(entries []*store.Quarantined) (*call, error) {
	group, checked := entries[0].Group, entries[0].Checked
	rules, broken := make(map[*store.Quarantined]string, len(entries)), make(map[*store.Quarantined]string, len(entries))
	for _, e := range entries {
		checked = min(checked, e.Checked)
		var err error
		if rules[e], broken[e], err = store.EncodeBroken(e.Broken); err != nil {
			return nil, err
		}
	}
	column := func(elementType uint32, field func(b []byte, e *store.Quarantined) []byte) []byte {
		b := beginArray(make([]byte, 0, arrayHead+32*len(entries)), elementType, len(entries))
		for _, e := range entries {
			b = field(b, e)
		}
		return b
	}
	texts := func(field func(e *store.Quarantined) string) []byte {
		return column(typeIDs[value.String], func(b []byte, e *store.Quarantined) []byte { return appendBytes(b, []byte(field(e))) })
	}
	longs := func(field func(e *store.Quarantined) int64) []byte {
		return column(typeIDs[value.Integer], func(b []byte, e *store.Quarantined) []byte {
			if i := field(e); i != value.NoTime {
				return appendInt64(append(b, 0, 0, 0, 8), i)
			}
			return appendNull(b)
		})
	}
	return &call{
		text: o.admitText(group),
		parameters: [][]byte{
			appendInt64(nil, group.ID), appendInt32(nil, group.SchemaVersion), appendInt64(nil, checked),
			texts(func(e *store.Quarantined) string { return e.ID }),
			column(byteaID, func(b []byte, e *store.Quarantined) []byte { return appendBytes(b, []byte(e.Key.Encoded)) }),
			longs(func(e *store.Quarantined) int64 { return e.EventTime }),
			texts(func(e *store.Quarantined) string { return e.Source.Way }),
			longs(func(e *store.Quarantined) int64 { return e.Source.Run }),
			texts(func(e *store.Quarantined) string { return e.Source.File }),
			longs(func(e *store.Quarantined) int64 { return e.Source.Row }),
			texts(func(e *store.Quarantined) string { return rules[e] }),
			texts(func(e *store.Quarantined) string { return broken[e] }),
			texts(func(e *store.Quarantined) string { return string(e.Document) }),
		},
		done: func(rows [][][]byte) {
			for i, row := range rows {
				entries[i].EventTime, entries[i].At = decodeInt64(row[0]), decodeInt64(row[1])
			}
		},
	}, nil
}

// replayText marks entries as replayed. Another transaction that has one of them is waited for. Where one does not wait any more in that
// version, the arc cosine of more than 1 fails the transaction, whatever else goes down the same pipeline.
func (o *Offline) replayText() string {
	table := o.table("__quarantine")
	return `WITH locked AS (SELECT q.number FROM ` + table + ` AS q JOIN unnest($1::text[], $2::integer[]) AS u(id, version) ON q.id = u.id AND q.version = u.version
			WHERE q.state = 'waiting' ORDER BY q.id FOR UPDATE OF q),
		marked AS (UPDATE ` + table + ` AS q SET state = 'replayed', ` + ends + ` FROM locked WHERE q.number = locked.number AND q.state = 'waiting' RETURNING 1)
	SELECT acos(1 + cardinality($1::text[]) - count(*)) FROM marked`
}

func (o *Offline) replaying(entries []*store.Quarantined) *call {
	ids, versions := beginArray(nil, typeIDs[value.String], len(entries)), beginArray(nil, integerID, len(entries))
	for _, e := range entries {
		ids, versions = appendBytes(ids, []byte(e.ID)), appendInt32(append(versions, 0, 0, 0, 4), e.Version)
	}
	return &call{text: o.replayText(), parameters: [][]byte{ids, versions}}
}

// quarantineCalls are those that mark and bring in entries, in the order of ids and groups.
func (o *Offline) quarantineCalls(all *store.Together) (calls []*call, err error) {
	if len(all.Replayed) > 0 {
		calls = append(calls, o.replaying(all.Replayed))
		for _, run := range replayedRuns(all.Replayed) {
			calls = append(calls, &call{text: o.replayedText(), parameters: [][]byte{appendInt64(nil, run)}})
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(all.Entries), func(a, b *store.Quarantined) int { return int(a.Group.ID - b.Group.ID) })
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && n < insertRows && sorted[n].Group.ID == sorted[0].Group.ID && sorted[n].Group.SchemaVersion == sorted[0].Group.SchemaVersion {
			n++
		}
		admitting, err := o.admitting(sorted[:n:n])
		if err != nil {
			return nil, err
		}
		calls, sorted = append(calls, admitting), sorted[n:]
	}
	return calls, nil
}

// AmendQuarantined is one statement, which fails as that does which marks entries as replayed.
func (o *Offline) AmendQuarantined(ctx context.Context, entries []*store.Quarantined) error {
	n := len(entries)
	ids, versions, rules, broken, documents := make([]string, n), make([]int32, n), make([]string, n), make([]string, n), make([]string, n)
	for i, e := range entries {
		var err error
		if rules[i], broken[i], err = store.EncodeBroken(e.Broken); err != nil {
			return err
		}
		ids[i], versions[i], documents[i] = e.ID, int32(e.Version), string(e.Document)
	}
	table := o.table("__quarantine")
	_, err := o.writers.Exec(ctx, `WITH locked AS (SELECT q.number, u.rules, u.broken, u.document
			FROM `+table+` AS q JOIN unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[]) AS u(id, version, rules, broken, document) ON q.id = u.id AND q.version = u.version
			WHERE q.state = 'waiting' ORDER BY q.id FOR UPDATE OF q),
		amended AS (UPDATE `+table+` AS q SET rules = locked.rules, broken = locked.broken, document = locked.document, version = q.version + 1
			FROM locked WHERE q.number = locked.number AND q.state = 'waiting' RETURNING 1)
		SELECT acos(1 + cardinality($1::text[]) - count(*)) FROM amended`, ids, versions, rules, broken, documents)
	if code(err) == outOfRange {
		return store.ErrNotWaiting
	}
	if err != nil {
		return fmt.Errorf("amending entries of the quarantine: %w", err)
	}
	return nil
}

// DiscardQuarantined locks the entries in the order of their ids.
func (o *Offline) DiscardQuarantined(ctx context.Context, ids []string) (int, error) {
	table := o.table("__quarantine")
	done, err := o.writers.Exec(ctx, `WITH locked AS (SELECT number FROM `+table+` WHERE id = ANY ($1) AND state = 'waiting' ORDER BY id FOR UPDATE)
		UPDATE `+table+` AS q SET state = 'discarded', `+ends+` FROM locked WHERE q.number = locked.number AND q.state = 'waiting'`, ids)
	if err != nil {
		return 0, fmt.Errorf("discarding entries of the quarantine: %w", err)
	}
	return int(done.RowsAffected()), nil
}

// ExpireQuarantined leaves out what others have in hand.
func (o *Offline) ExpireQuarantined(ctx context.Context, keep time.Duration, limit int) (int, error) {
	table := o.table("__quarantine")
	done, err := o.writers.Exec(ctx, `WITH due AS (SELECT number FROM `+table+` WHERE state = 'waiting' AND at < `+transactionTime+` - $1::bigint
			ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
		UPDATE `+table+` AS q SET state = 'expired', `+ends+` FROM due WHERE q.number = due.number AND q.state = 'waiting'`, keep.Microseconds(), limit)
	if err != nil {
		return 0, fmt.Errorf("expiring entries of the quarantine: %w", err)
	}
	return int(done.RowsAffected()), nil
}

// ForgetQuarantined leaves out what others have in hand.
func (o *Offline) ForgetQuarantined(ctx context.Context, keep time.Duration, limit int) (int, error) {
	text := o.removeText("number IN (SELECT number FROM "+o.table("__quarantine")+" WHERE ended <> 0 AND ended < "+transactionTime+" - $1::bigint ORDER BY ended LIMIT $2 FOR UPDATE SKIP LOCKED)",
		store.Waiting)
	var removed, waited int64
	if err := o.writers.QueryRow(ctx, text, keep.Microseconds(), limit).Scan(&removed, &waited); err != nil {
		return 0, fmt.Errorf("removing old entries of the quarantine: %w", err)
	}
	return int(removed), nil
}

// removeText removes entries and counts them, those that waited as what became of them. It answers how many they were, and how many waited.
func (o *Offline) removeText(condition string, waited store.QuarantineState) string {
	past := o.table("__quarantine_past")
	return `WITH gone AS (DELETE FROM ` + o.table("__quarantine") + ` WHERE ` + condition + ` RETURNING group_id, state),
		counted AS (INSERT INTO ` + past + ` AS p (group_id, state, entries)
			SELECT group_id, CASE state WHEN 'waiting' THEN ` + literal(string(waited)) + ` ELSE state END, count(*) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
			ON CONFLICT (group_id, state) DO UPDATE SET entries = p.entries + excluded.entries)
	SELECT count(*), count(*) FILTER (WHERE state = 'waiting') FROM gone`
}

// ofRun is the condition that an entry came with a load of a group.
const ofRun = "run_id = $1 AND run_id <> 0 AND group_id = $2"

// release takes from the quarantine what a removal selects, and answers how many entries, and how many of them waited. It comes before the rows are looked at: a replay of
// one of them that is under way is waited for, and what it stores is found then.
func (o *Offline) release(ctx context.Context, tx pgx.Tx, group *registry.Group, what store.Selection) (removed, waited int64, err error) {
	if what.Run == 0 && what.Features != nil {
		return 0, 0, nil
	}
	condition, parameters, become := ofRun, []any{what.Run, group.ID}, store.QuarantineReverted
	if what.Run == 0 {
		condition, parameters = waitingOf(group, what)
		if what.UpTo {
			become = store.QuarantineErased
		}
	}
	err = tx.QueryRow(ctx, o.removeText(condition, become), parameters...).Scan(&removed, &waited)
	return removed, waited, err
}

// waitingOf is the condition that an entry is of an entity, so that it waits, and of the event times, with its parameters.
func waitingOf(group *registry.Group, what store.Selection) (condition string, parameters []any) {
	condition = "entity = $1 AND group_id = $2 AND event_time = $3"
	if what.UpTo {
		condition = "entity = $1 AND group_id = $2 AND event_time <= $3"
	}
	return condition, []any{[]byte(what.Key.Encoded), group.ID, what.At}
}

// waits is the SQL of whether anything of the group $1 waits in quarantine.
func (o *Offline) waits() string {
	return "EXISTS (SELECT FROM " + o.table("__quarantine") + " WHERE group_id = $1 AND state = 'waiting')"
}
