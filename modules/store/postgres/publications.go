package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// publicationsSchema makes the record of what pipelines published. __published has each tick's latest publication; own says that all rows of the
// tick are of that run. __publications has each publication with its ticks, none once its run was removed, and the transactions that brought rows of its run, by which they are
// found: null after a restore into another cluster, which gives rows other transactions. __removal_times says of each removal between which event times
// lay what it took. Times are µs.
func (o *Offline) publicationsSchema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + o.table("__published") + ` (
			group_id bigint NOT NULL,
			name     text COLLATE "C" NOT NULL,
			tick     bigint NOT NULL,
			run_id   bigint NOT NULL,
			version  bigint NOT NULL,
			rows     bigint NOT NULL,
			own      boolean NOT NULL,
			source   text COLLATE "C" NOT NULL,
			at       bigint NOT NULL,
			PRIMARY KEY (group_id, name, tick))`,
		`CREATE TABLE IF NOT EXISTS ` + o.table("__publications") + ` (
			number   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
			group_id bigint NOT NULL,
			name     text COLLATE "C" NOT NULL,
			run_id   bigint NOT NULL,
			ticks    bigint[] NOT NULL,
			xids     bigint[])`,
		`CREATE INDEX IF NOT EXISTS __publications_by_name ON ` + o.table("__publications") + ` (group_id, name)`,
		`CREATE INDEX IF NOT EXISTS __publications_by_run ON ` + o.table("__publications") + ` (run_id)`,
		`CREATE TABLE IF NOT EXISTS ` + o.table("__removal_times") + ` (
			group_id bigint NOT NULL,
			number   bigint NOT NULL,
			least    bigint NOT NULL,
			latest   bigint NOT NULL,
			PRIMARY KEY (group_id, number))`,
	}
}

// microseconds is the SQL of a timestamptz as µs, exact in every year.
func microseconds(column string) string {
	return "(date_part('epoch', date_trunc('second', " + column + "))::bigint * 1000000 + date_part('microseconds', " + column + ")::bigint % 1000000)"
}

// Published reads what was committed last.
func (o *Offline) Published(ctx context.Context, group *registry.Group, name string, of store.TickRange) (found []store.PublishedTick, err error) {
	text, parameters := "SELECT tick, run_id, version, rows, source, at FROM "+o.table("__published")+" WHERE group_id = $1 AND name = $2", []any{group.ID, name}
	for _, bound := range []struct {
		compared string
		at       *int64
	}{{">=", of.From}, {"<=", of.To}} {
		if bound.at != nil {
			parameters = append(parameters, *bound.at)
			text += " AND tick " + bound.compared + " $" + strconv.Itoa(len(parameters))
		}
	}
	rows, err := o.writers.Query(ctx, text+" ORDER BY tick", parameters...)
	if err == nil {
		var t store.PublishedTick
		var source string
		_, err = pgx.ForEachRow(rows, []any{&t.Tick, &t.Run, &t.Version, &t.Rows, &source, &t.At}, func() error {
			t.Source = store.Place{}
			found = append(found, t)
			return json.Unmarshal([]byte(source), &found[len(found)-1].Source)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading what %s published to group %s: %w", name, group.Name, err)
	}
	return found, nil
}

// PublishedBy reads what was committed last.
func (o *Offline) PublishedBy(ctx context.Context, run int64) (group int64, since store.Position, err error) {
	var first *int64
	var known bool
	err = o.writers.QueryRow(ctx, "SELECT p.group_id, (SELECT min(xid) FROM unnest(p.xids) AS xid), p.xids IS NOT NULL FROM "+o.table("__publications")+
		" AS p WHERE p.run_id = $1 ORDER BY p.xids IS NOT NULL, 2 LIMIT 1", run).Scan(&group, &first, &known)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("reading what run %d published: %w", run, err)
	}
	if known && first != nil {
		since = store.Position(strconv.FormatInt(*first, 10))
	}
	return group, since, nil
}

// LastPublished reads what was committed last.
func (o *Offline) LastPublished(ctx context.Context, group *registry.Group) (run int64, err error) {
	err = o.writers.QueryRow(ctx, "SELECT coalesce(max(run_id), 0) FROM "+o.table("__publications")+" WHERE group_id = $1 AND ticks <> '{}'", group.ID).Scan(&run)
	if err != nil {
		return 0, fmt.Errorf("reading what was published to group %s: %w", group.Name, err)
	}
	return run, nil
}

// publishers are the names under which runs have published to a group. Rows of one that is not among them yet are not settled.
func (o *Offline) publishers(ctx context.Context, group *registry.Group) (map[int64]string, error) {
	rows, err := o.writers.Query(ctx, "SELECT DISTINCT run_id, name FROM "+o.table("__publications")+" WHERE group_id = $1", group.ID)
	if err != nil {
		return nil, err
	}
	names := map[int64]string{}
	var run int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&run, &name}, func() error {
		names[run] = name
		return nil
	})
	return names, err
}

// unpublish ends the publications of a run, and answers how many there were.
func (o *Offline) unpublish(ctx context.Context, tx pgx.Tx, group *registry.Group, run int64) (ended int64, err error) {
	err = tx.QueryRow(ctx, "WITH of AS (SELECT number, name, ticks FROM "+o.table("__publications")+" WHERE group_id = $1 AND run_id = $2 AND ticks <> '{}' FOR UPDATE), "+
		"gone AS (UPDATE "+o.table("__publications")+" AS p SET ticks = '{}' FROM of WHERE p.number = of.number RETURNING of.name, of.ticks), "+
		"ended AS (DELETE FROM "+o.table("__published")+" AS p USING (SELECT DISTINCT name, unnest(ticks) AS tick FROM gone) AS g "+
		"WHERE p.group_id = $1 AND p.name = g.name AND p.tick = g.tick AND (p.run_id = $2 OR NOT p.own)) SELECT count(*) FROM gone", group.ID, run).Scan(&ended)
	return ended, err
}

// replayedRuns are the runs that entries came with, ascending.
func replayedRuns(entries []*store.Quarantined) (runs []int64) {
	for _, e := range entries {
		if e.Source.Run != 0 {
			runs = append(runs, e.Source.Run)
		}
	}
	slices.Sort(runs)
	return slices.Compact(runs)
}

// replayedText notes that rows of a publication's run came in by another transaction.
func (o *Offline) replayedText() string {
	const xid = "pg_current_xact_id()::text::bigint"
	return "UPDATE " + o.table("__publications") + " SET xids = array_append(xids, " + xid + ") WHERE run_id = $1::bigint AND xids IS NOT NULL AND NOT " + xid + " = ANY (xids)"
}
