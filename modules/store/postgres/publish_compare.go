package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// compare brings the staged rows into the group's table and takes back what they leave no place for, under a number, in one statement; so all of it is decided by
// what was there before. It answers how many rows of each tick are stored.
//
//	WITH earlier AS (the rows of earlier publications of the ticks, newest where it is that of its entity and tick),
//	compared AS (earlier beside the staged row n of the same entity and tick: whether there is none, or it observes less, and whether it is the same),
//	gone AS (DELETE … RETURNING …), noted AS (INSERT INTO __removed …), stored AS (INSERT INTO … SELECT … WHERE NOT EXISTS (…))
func (l *load) compare(ctx context.Context, number int64, removed *store.Removed) (stored map[int64]int64, err error) {
	o := l.offline
	found, _, err := o.readLayout(ctx, l.conn, l.group.ID, "")
	if err != nil {
		return nil, err
	}
	runs, xids, err := l.earlier(ctx)
	if err != nil {
		return nil, err
	}
	// A plan for tables of unknown sizes must not be one that looks up each row.
	if _, err := l.conn.Exec(ctx, "ANALYZE "+stagingTable+"; SET LOCAL enable_nestloop = off"); err != nil {
		return nil, err
	}
	c := &comparison{group: l.group, layout: found, table: o.table(l.group.Name)}
	text := c.text(o, joined(l.columns, ""), joined(l.columns, "n."), xids != nil)
	parameters := []any{runs, timesOf(l.publishing.Ticks), l.group.ID, number}
	if xids != nil {
		parameters = append(parameters, xids)
	}
	var least, latest *int64
	var ticks, rows []int64
	err = l.conn.QueryRow(ctx, text, parameters...).Scan(&removed.Rows, &removed.Entities, &least, &latest, &ticks, &rows)
	if err != nil {
		return nil, err
	}
	stored = make(map[int64]int64, len(ticks))
	for i, tick := range ticks {
		stored[tick] = rows[i]
	}
	if removed.Any() {
		if _, err = l.conn.Exec(ctx, "UPDATE "+o.table("__removals")+" SET last = $2 WHERE group_id = $1", l.group.ID, number); err == nil {
			_, err = l.conn.Exec(ctx, o.removalTimesText(), l.group.ID, number, *least, *latest)
		}
	}
	return stored, err
}

// earlier are the runs of the ticks' earlier publications, and the transactions that brought their rows; nil: some are not known.
func (l *load) earlier(ctx context.Context) (runs, xids []int64, err error) {
	err = l.conn.QueryRow(ctx, "SELECT coalesce(array_agg(DISTINCT p.run_id), '{}'), CASE WHEN bool_and(p.xids IS NOT NULL) THEN "+
		"array_agg(DISTINCT x.xid) FILTER (WHERE x.xid IS NOT NULL) END FROM "+l.offline.table("__publications")+" AS p LEFT JOIN LATERAL unnest(p.xids) AS x(xid) ON true "+
		"WHERE p.group_id = $1 AND p.name = $2 AND p.ticks && $3", l.group.ID, l.publishing.Name, l.publishing.ticks()).Scan(&runs, &xids)
	return runs, xids, err
}

// comparison makes the statement of compare.
type comparison struct {
	group  *registry.Group
	layout layout
	table  string
}

func (c *comparison) text(o *Offline, columns, staged string, byTransaction bool) string {
	keys := keyColumns(c.group, "o.")
	var named, short []string
	for i, key := range keys {
		named, short = append(named, key+" AS k"+strconv.Itoa(i)), append(short, "k"+strconv.Itoa(i))
	}
	gone := keyColumns(c.group, "")
	values := ""
	for i, f := range c.group.Features {
		values += fmt.Sprintf(", %s AS v%d", c.layout.column(f), i)
	}
	where := "o.run_id = ANY ($1::bigint[]) AND o.event_time = ANY ($2::timestamptz[]) AND o.ingest_xid <> pg_current_xact_id()::text::bigint"
	if byTransaction {
		where += " AND o.ingest_xid = ANY ($5::bigint[])"
	}
	same := make([]string, len(keys))
	for i, key := range keyColumns(c.group, "n.") {
		same[i] = key + " = %[1]s.k" + strconv.Itoa(i)
	}
	match := func(with string) string {
		return fmt.Sprintf(strings.Join(same, " AND ")+" AND n.event_time = %[1]s.event_time", with)
	}
	return fmt.Sprintf("WITH earlier AS MATERIALIZED (SELECT o.ctid AS place, %s, o.event_time, o.schema_version, o.presence%s, "+
		"row_number() OVER (PARTITION BY %s, o.event_time ORDER BY o.ingest_id DESC) = 1 AS newest FROM %s AS o WHERE %s), ",
		strings.Join(named, ", "), values, strings.Join(keys, ", "), c.table, where) +
		fmt.Sprintf("compared AS MATERIALIZED (SELECT e.place, %s, e.event_time, n.event_time IS NULL OR (%s) AS goes, e.newest AND (%s) AS same FROM earlier AS e LEFT JOIN %s AS n ON %s), ",
			"e."+strings.Join(short, ", e."), c.observesMore(), c.same(), stagingTable, match("e")) +
		fmt.Sprintf("gone AS (DELETE FROM %s AS o WHERE o.ctid = ANY (ARRAY(SELECT place FROM compared WHERE goes)) RETURNING %s, ingest_id, event_time), ", c.table, strings.Join(gone, ", ")) +
		fmt.Sprintf("noted AS (INSERT INTO %s (group_id, number, entity, ids) SELECT $3::bigint, $4::bigint, %s, array_agg(gone.ingest_id) FROM gone GROUP BY %s RETURNING cardinality(ids) AS n), ",
			o.table("__removed"), entityText(c.group, "gone."), strings.Join(keyColumns(c.group, "gone."), ", ")) +
		fmt.Sprintf("stored AS (INSERT INTO %s (%s) SELECT %s FROM %s AS n WHERE NOT EXISTS (SELECT FROM compared AS c WHERE c.same AND %s) RETURNING event_time), ",
			c.table, columns, staged, stagingTable, match("c")) +
		fmt.Sprintf("counted AS (SELECT %s AS tick, count(*) AS rows FROM stored GROUP BY event_time) ", microseconds("event_time")) +
		fmt.Sprintf("SELECT (SELECT coalesce(sum(n), 0)::bigint FROM noted), (SELECT count(*) FROM noted), (SELECT %s FROM gone), (SELECT %s FROM gone), "+
			"(SELECT coalesce(array_agg(tick ORDER BY tick), '{}') FROM counted), (SELECT coalesce(array_agg(rows ORDER BY tick), '{}') FROM counted)",
			microseconds("min(event_time)"), microseconds("max(event_time)"))
}

// Presences of the same form name the same features: the same ordinals, or all of the same version.
const samePresence = "e.presence IS NOT DISTINCT FROM n.presence AND (n.presence IS NOT NULL OR e.schema_version = n.schema_version)"

// earlierObserves is the condition that the earlier row observes the i-th feature, and stagedObserves that the staged one does, which is whole
// or names what it observes.
func (c *comparison) earlierObserves(i int) string {
	f := c.group.Features[i]
	return fmt.Sprintf("(e.v%d IS NOT NULL OR e.presence IS NULL AND e.schema_version >= %d OR coalesce(%d = ANY (e.presence), false))", i, f.Since, int16(f.Ordinal))
}

func (c *comparison) stagedObserves(i int) string {
	return fmt.Sprintf("(n.presence IS NULL OR %d = ANY (n.presence))", int16(c.group.Features[i].Ordinal))
}

// observesMore is the condition that the earlier row observes a feature that the staged one does not.
func (c *comparison) observesMore() string {
	var more []string
	for i := range c.group.Features {
		more = append(more, c.earlierObserves(i)+" AND NOT "+c.stagedObserves(i))
	}
	return "n.presence IS NOT NULL AND NOT (" + samePresence + ") AND (" + strings.Join(more, " OR ") + ")"
}

// same is the condition that both observe the same features and have the same values.
func (c *comparison) same() string {
	var same, observed []string
	for i, f := range c.group.Features {
		column := "n." + database.Quote(featureColumn(c.group, f.Column))
		earlier := "e.v" + strconv.Itoa(i)
		if f.ValueType == value.JSON { // json has no equality
			column, earlier = column+"::text", earlier+"::text"
		}
		same = append(same, earlier+" IS NOT DISTINCT FROM "+column)
		observed = append(observed, c.earlierObserves(i)+" = "+c.stagedObserves(i))
	}
	return "n.event_time IS NOT NULL AND " + strings.Join(same, " AND ") + " AND (" + samePresence + " OR " + strings.Join(observed, " AND ") + ")"
}

// joined puts columns, which are quoted, after a prefix.
func joined(columns []string, prefix string) string {
	return prefix + strings.Join(columns, ", "+prefix)
}
