package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// erasuresSchema makes the ledger of erased entities. Its version has a table of its own, whose row every change of the ledger locks: so
// changes follow each other, and numbers show in their order.
func (o *Offline) erasuresSchema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + o.table("__ledger") + ` (
			the_only boolean PRIMARY KEY DEFAULT true CHECK (the_only),
			version  bigint NOT NULL)`,
		`INSERT INTO ` + o.table("__ledger") + ` (version) VALUES (0) ON CONFLICT DO NOTHING`,
		`CREATE TABLE IF NOT EXISTS ` + o.table("__erasures") + ` (
			number      bigint PRIMARY KEY,
			entity_type bigint NOT NULL,
			secret      bytea NOT NULL,
			hash        bytea NOT NULL,
			cut_off     bigint NOT NULL,
			at          bigint NOT NULL,
			run_id      bigint NOT NULL,
			rows        text COLLATE "C" NOT NULL,
			done        boolean NOT NULL,
			entity      bytea NOT NULL,
			UNIQUE (hash, entity_type, secret))`,
		`CREATE INDEX IF NOT EXISTS __erasures_undone ON ` + o.table("__erasures") + ` (number) WHERE NOT done`,
	}
}

const erasureColumns = "number, entity_type, secret, hash, cut_off, at, run_id, rows, done, entity"

// Erase locks the ledger first: inserts that see the new version come after what it counts.
func (o *Offline) Erase(ctx context.Context, erasure *store.Erasure, key store.Key, groups []*registry.Group) error {
	var entered store.Erasure
	err := o.inTransaction(ctx, "entering an entity into the ledger", func(tx pgx.Tx) error {
		entered = *erasure
		entered.Rows = map[string]int64{}
		version, now, err := o.lockLedger(ctx, tx)
		if err != nil {
			return err
		}
		entered.Number, entered.At, entered.CutOff = version+1, now, max(entered.CutOff, now)
		for _, group := range groups {
			l, exists, err := o.readLayout(ctx, tx, group.ID, "")
			if err != nil {
				return err
			}
			if !exists || l.version <= group.SchemaVersion && !l.keyedAs(group) {
				continue
			}
			var rows, newest int64
			condition, parameters := o.entity(group, store.Selection{Key: &key, At: 1<<63 - 1, UpTo: true})
			err = tx.QueryRow(ctx, "SELECT count(*), coalesce((extract(epoch FROM max(event_time)) * 1000000)::bigint, 0) FROM "+o.table(l.table)+" WHERE "+condition, parameters...).
				Scan(&rows, &newest)
			if err != nil {
				return err
			}
			if rows > 0 {
				entered.Rows[group.Name], entered.CutOff = rows, max(entered.CutOff, newest)
			}
			err = tx.QueryRow(ctx, "SELECT greatest(max(event_time), $3::bigint) FROM "+o.table("__quarantine")+" WHERE entity = $1 AND group_id = $2",
				[]byte(key.Encoded), group.ID, entered.CutOff).Scan(&entered.CutOff)
			if err != nil {
				return err
			}
		}
		return o.enter(ctx, tx, []store.Erasure{entered})
	})
	if err != nil {
		return err
	}
	found, err := o.Erasures(ctx, store.ErasureRange{After: entered.Number - 1, Limit: 1, Hash: &entered.Hash})
	if err == nil && len(found) == 1 { // the cut-off may be that of an earlier entry
		entered.CutOff = found[0].CutOff
	}
	*erasure = entered
	return err
}

// lockLedger has other changes of the ledger wait for the end of the transaction.
func (o *Offline) lockLedger(ctx context.Context, tx pgx.Tx) (version, now int64, err error) {
	err = tx.QueryRow(ctx, "SELECT version, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM "+o.table("__ledger")+" FOR UPDATE").Scan(&version, &now)
	return version, now, err
}

// enter stores entries that have the next numbers, in the place of those that there are.
func (o *Offline) enter(ctx context.Context, tx pgx.Tx, erasures []store.Erasure) error {
	text := "INSERT INTO " + o.table("__erasures") + " AS e (" + erasureColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) " +
		"ON CONFLICT (hash, entity_type, secret) DO UPDATE SET number = excluded.number, cut_off = greatest(e.cut_off, excluded.cut_off), at = excluded.at, " +
		"run_id = excluded.run_id, rows = excluded.rows, done = excluded.done, entity = excluded.entity"
	var batch pgx.Batch
	for _, e := range erasures {
		rows, err := json.Marshal(e.Rows)
		if err != nil {
			return err
		}
		batch.Queue(text, e.Number, e.EntityType, e.Secret[:], e.Hash[:], e.CutOff, e.At, e.Run, string(rows), e.Done, []byte(e.Entity))
	}
	batch.Queue("UPDATE "+o.table("__ledger")+" SET version = $1", erasures[len(erasures)-1].Number)
	return tx.SendBatch(ctx, &batch).Close()
}

// Enter is one transaction.
func (o *Offline) Enter(ctx context.Context, erasures []store.Erasure) (changed int, err error) {
	err = o.inTransaction(ctx, "entering entities into the ledger", func(tx pgx.Tx) error {
		version, _, err := o.lockLedger(ctx, tx)
		if err != nil {
			return err
		}
		there, err := o.erasuresOf(ctx, tx, "")
		if err != nil {
			return err
		}
		type name struct {
			entityType   int64
			secret, hash [32]byte
		}
		cutOffs := make(map[name]int64, len(there))
		for _, e := range there {
			cutOffs[name{e.EntityType, e.Secret, e.Hash}] = e.CutOff
		}
		var entered []store.Erasure
		for _, e := range erasures {
			if cutOff, ok := cutOffs[name{e.EntityType, e.Secret, e.Hash}]; ok && cutOff >= e.CutOff {
				continue
			}
			cutOffs[name{e.EntityType, e.Secret, e.Hash}] = e.CutOff
			version++
			e.Number, e.Rows, e.Run, e.Done, e.Entity = version, map[string]int64{}, 0, false, ""
			entered = append(entered, e)
		}
		if changed = len(entered); changed == 0 {
			return nil
		}
		return o.enter(ctx, tx, entered)
	})
	return changed, err
}

// Finish is one transaction.
func (o *Offline) Finish(ctx context.Context, erasures []store.Erasure) error {
	return o.inTransaction(ctx, "ending erasures", func(tx pgx.Tx) error {
		var batch pgx.Batch
		for _, e := range erasures {
			rows, err := json.Marshal(e.Rows)
			if err != nil {
				return err
			}
			batch.Queue("UPDATE "+o.table("__erasures")+" SET done = true, entity = '', run_id = $2, rows = $3 WHERE number = $1", e.Number, e.Run, string(rows))
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

func (o *Offline) erasuresOf(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, condition string, args ...any) (found []store.Erasure, err error) {
	rows, err := q.Query(ctx, "SELECT "+erasureColumns+" FROM "+o.table("__erasures")+" "+condition, args...)
	if err != nil {
		return nil, err
	}
	var e store.Erasure
	var secret, hash, entity []byte
	var counts string
	_, err = pgx.ForEachRow(rows, []any{&e.Number, &e.EntityType, &secret, &hash, &e.CutOff, &e.At, &e.Run, &counts, &e.Done, &entity}, func() error {
		copy(e.Secret[:], secret)
		copy(e.Hash[:], hash)
		e.Entity, e.Rows = string(entity), nil
		if err := json.Unmarshal([]byte(counts), &e.Rows); err != nil {
			return err
		}
		found = append(found, e)
		return nil
	})
	return found, err
}

// Erasures reads what was committed last.
func (o *Offline) Erasures(ctx context.Context, of store.ErasureRange) ([]store.Erasure, error) {
	condition, args := "WHERE number > $1", []any{of.After}
	if of.Undone {
		condition += " AND NOT done"
	}
	if of.Hash != nil {
		condition, args = condition+" AND hash = $2", append(args, of.Hash[:])
	}
	condition += " ORDER BY number"
	if of.Limit > 0 {
		condition += fmt.Sprintf(" LIMIT %d", of.Limit)
	}
	found, err := o.erasuresOf(ctx, o.writers, condition, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return found, nil
}

// LedgerState reads what was committed last.
func (o *Offline) LedgerState(ctx context.Context) (state store.LedgerState, err error) {
	err = o.writers.QueryRow(ctx, "SELECT version, (SELECT count(*) FROM "+o.table("__erasures")+"), (SELECT count(*) FROM "+o.table("__erasures")+" WHERE NOT done) FROM "+o.table("__ledger")).
		Scan(&state.Version, &state.Entries, &state.Undone)
	if err != nil {
		return state, fmt.Errorf("reading the state of the ledger: %w", err)
	}
	return state, nil
}

// AwaitWrites waits for the transactions that hold the tables' locks as inserts and loads do. One that gets the lock later looks at the ledger
// after that: see insert.
func (o *Offline) AwaitWrites(ctx context.Context, groups []*registry.Group) error {
	if err := o.awaitWrites(ctx, groups); err != nil {
		return fmt.Errorf("waiting for the writes that are under way: %w", err)
	}
	return nil
}

func (o *Offline) awaitWrites(ctx context.Context, groups []*registry.Group) error {
	tables, err := o.tablesOf(ctx, groups)
	if err != nil || len(tables) == 0 {
		return err
	}
	const holders = `FROM pg_locks WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND relation = ANY (SELECT to_regclass(t)::oid FROM unnest($1::text[]) AS t) AND mode = 'RowExclusiveLock' AND granted`
	var begun []string
	err = o.writers.QueryRow(ctx, "SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') "+holders, tables).Scan(&begun)
	for wait := time.Millisecond; err == nil && len(begun) > 0; wait = min(2*wait, 500*time.Millisecond) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err = o.writers.QueryRow(ctx, "SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') "+holders+" AND virtualtransaction = ANY ($2)", tables, begun).Scan(&begun)
	}
	return err
}

// tablesOf are the quoted names of the groups' tables, as far as there are such.
func (o *Offline) tablesOf(ctx context.Context, groups []*registry.Group) ([]string, error) {
	ids := make([]int64, len(groups))
	for i, group := range groups {
		ids[i] = group.ID
	}
	rows, err := o.writers.Query(ctx, "SELECT table_name FROM "+o.table("__layouts")+" WHERE group_id = ANY ($1)", ids)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for i, name := range names {
		names[i] = o.table(name)
	}
	return names, err
}

// scrubPatience is how long Scrub waits for transactions that can still see what was deleted. VACUUM leaves what they see; it goes with the
// table's next one.
const scrubPatience = time.Minute

// Scrub vacuums the tables, their indexes too, once the transactions have ended that can see what was deleted. The server's log and its backups
// age by its own settings.
func (o *Offline) Scrub(ctx context.Context, groups []*registry.Group) error {
	tables, err := o.tablesOf(ctx, groups)
	if err == nil {
		err = o.unseen(ctx)
	}
	if err == nil {
		tables = append(tables, o.table("__erasures"), o.table("__removed"), o.table("__quarantine"))
		_, err = o.writers.Exec(ctx, "VACUUM (INDEX_CLEANUP ON) "+strings.Join(tables, ", "), pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		return fmt.Errorf("vacuuming after an erasure: %w", err)
	}
	return nil
}

// unseen waits for the transactions of this database that hold a snapshot now, as far as the role may see them.
func (o *Offline) unseen(ctx context.Context) error {
	const holders = `SELECT coalesce(array_agg(pid || ' ' || xact_start), '{}') FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL`
	var begun []string
	err := o.writers.QueryRow(ctx, holders).Scan(&begun)
	patience := time.NewTimer(scrubPatience)
	defer patience.Stop()
	for wait := time.Millisecond; err == nil && len(begun) > 0; wait = min(2*wait, 500*time.Millisecond) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return nil
		case <-time.After(wait):
		}
		err = o.writers.QueryRow(ctx, holders+` AND pid || ' ' || xact_start = ANY ($1)`, begun).Scan(&begun)
	}
	return err
}
