package gate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

var purchases = Events{
	Keys: []Column{{"customer_id", value.String}},
	Columns: []Column{{"amount", value.Float}, {"quantity", value.Integer}, {"shop", value.String}, {"paid", value.Boolean}, {"sent_at", value.Timestamp},
		{"window", value.Integer}},
	Former: []Column{{"price", value.Float}},
}

// What goes through, and what it yields.
func TestLetThrough(t *testing.T) {
	g := New()
	for text, wanted := range map[string]struct {
		columns string
		reads   string
	}{
		`SELECT customer_id, count(*) AS n FROM events WHERE event_us > :from AND event_us <= :to GROUP BY customer_id`:                        {"customer_id STRING, n INTEGER", ""},
		`select customer_id, sum(quantity) FILTER (WHERE paid) AS total from events where event_us <= :tick group by customer_id -- the end ;`: {"customer_id STRING, total INTEGER", "quantity,paid"},
		`WITH last AS (SELECT customer_id, amount, row_number() OVER (PARTITION BY customer_id ORDER BY event_us DESC, seq DESC) AS nth FROM events /* ; */ WHERE event_us <= :tick)
			SELECT customer_id, amount AS last_amount FROM last WHERE nth = 1`: {"customer_id STRING, last_amount FLOAT", "amount"},
		`SELECT t.tick_us AS event_us, e.customer_id, CAST(sum(CAST(floor(e.amount * 100 + 0.5) AS DECIMAL(18, 2))) AS DOUBLE) / nullif(count(e.amount), 0) AS mean
			FROM ticks t JOIN events AS e ON e.event_us <= t.tick_us GROUP BY t.tick_us, e.customer_id`: {"event_us INTEGER, customer_id STRING, mean FLOAT", "amount"},
		`SELECT customer_id, max(price) AS most, max(date_trunc('month', event_time) + INTERVAL '1 month') AS month_end FROM events WHERE event_us <= :tick GROUP BY customer_id`: {
			"customer_id STRING, most FLOAT, month_end TIMESTAMP", "price"},
		`SELECT customer_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS middle FROM events WHERE shop LIKE 'a%' AND event_us <= :tick GROUP BY customer_id HAVING count(*) > 2`: {
			"customer_id STRING, middle FLOAT", "amount,shop"},
		`SELECT customer_id, CASE WHEN max(quantity) > 3 THEN 'many' ELSE NULL END AS sort, true AS seen FROM events WHERE event_us <= :tick AND shop IN ('it''s', 'b') GROUP BY customer_id`: {
			"customer_id STRING, sort STRING, seen BOOLEAN", "quantity,shop"},
		`SELECT customer_id, lag(amount) OVER (PARTITION BY customer_id ORDER BY event_us, seq) AS before, max("window") OVER (ORDER BY event_us RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) AS w FROM events WHERE event_us <= :tick`: {
			"customer_id STRING, before FLOAT, w INTEGER", "amount,window"},
		`SELECT customer_id, quantity::DOUBLE PRECISION / 2 AS half, extract(year FROM event_time) AS y FROM events e WHERE EXISTS (SELECT 1 AS one FROM events o WHERE o.customer_id = e.customer_id) AND event_us IN (SELECT max(event_us) FROM events) AND event_us <= :tick`: {
			"customer_id STRING, half FLOAT, y INTEGER", "quantity"},
		`SELECT customer_id, event_us, amount FROM events UNION ALL SELECT customer_id, event_us, amount FROM events EXCEPT SELECT customer_id, event_us, amount FROM events WHERE amount IS NULL`: {
			"customer_id STRING, event_us INTEGER, amount FLOAT", "amount"},
	} {
		q, problem := g.Transformation(text, purchases)
		require.Nil(t, problem, "%s: %+v", text, problem)
		columns := make([]string, len(q.Columns))
		for i, c := range q.Columns {
			columns[i] = c.Name + " " + c.Type.String()
		}
		require.Equal(t, wanted.columns, strings.Join(columns, ", "), text)
		require.Equal(t, wanted.reads, strings.Join(q.Reads, ","), text)
		require.NotContains(t, q.Text, ";")
		require.Len(t, q.Text, len(text))
	}
}

// What is refused, each with a sentence.
func TestRefused(t *testing.T) {
	g := New()
	const a, z = "SELECT customer_id, ", " AS x FROM events GROUP BY customer_id"
	for text, wanted := range map[string]string{
		``:                                     "holds no SELECT",
		`-- nothing`:                           "holds no SELECT",
		`SELECT 1 AS x; SELECT 2 AS y`:         "without a semicolon",
		`SELECT 1 AS x;`:                       "without a semicolon",
		`COPY events TO PROGRAM 'rm -rf /'`:    "COPY is not allowed",
		`COPY (SELECT 1) TO 'file.csv'`:        "COPY is not allowed",
		`INSERT INTO events VALUES (1)`:        "INSERT is not allowed",
		`UPDATE events SET amount = 1`:         "UPDATE is not allowed",
		`DELETE FROM events`:                   "DELETE is not allowed",
		`ATTACH 'other.db'`:                    "ATTACH is not allowed",
		`INSTALL httpfs`:                       "INSTALL is not allowed",
		`LOAD httpfs`:                          "LOAD is not allowed",
		`PRAGMA database_list`:                 "PRAGMA is not allowed",
		`SET memory_limit = '1TB'`:             "SET is not allowed",
		`CALL pragma_version()`:                "CALL is not allowed",
		`EXPLAIN SELECT 1`:                     "EXPLAIN is not allowed",
		`DESCRIBE events`:                      "DESCRIBE is not allowed",
		`SUMMARIZE events`:                     "SUMMARIZE is not allowed",
		`PIVOT events ON shop USING count(*)`:  "PIVOT is not allowed",
		`VALUES (1)`:                           "VALUES is not allowed",
		`TABLE events`:                         "TABLE is not allowed",
		`FROM events`:                          "begins with SELECT or WITH",
		`(SELECT 1 AS x)`:                      "begins with SELECT or WITH",
		`SELECT 1 AS x INTO other FROM events`: "SELECT INTO is not allowed",
		`WITH gone AS (DELETE FROM events RETURNING customer_id) SELECT customer_id FROM gone`:                            "DELETE is not allowed",
		`WITH new AS (INSERT INTO events VALUES (1) RETURNING 1) SELECT 1 AS x FROM new`:                                  "INSERT is not allowed",
		`WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r`:                               "does not call itself",
		`WITH r AS (SELECT n FROM r) SELECT n FROM r`:                                                                     `there is no relation "r"`,
		`WITH a AS (SELECT amount FROM b), b AS (SELECT amount FROM events) SELECT amount FROM a`:                         `there is no relation "b"`,
		`WITH events AS (SELECT 1 AS customer_id) SELECT customer_id FROM events`:                                         "cannot be called events",
		`WITH pg_shadow AS (SELECT 1 AS x) SELECT x FROM pg_shadow`:                                                       "cannot be called",
		`WITH x(a) AS (SELECT amount FROM events) SELECT a FROM x`:                                                        "columns are named in the SELECT",
		`SELECT amount FROM (WITH inner_one AS (SELECT amount FROM events) SELECT amount FROM inner_one) AS q, inner_one`: `there is no relation "inner_one"`,
		`SELECT x FROM 'file.csv'`:                                            "files are not read",
		`SELECT x FROM "file.csv"`:                                            "letters, digits and _ only",
		`SELECT x FROM read_csv('file.csv')`:                                  "read_csv is not allowed: a query reads events only, and no files",
		`SELECT x FROM glob('/etc/*')`:                                        "GLOB is not allowed",
		`SELECT x FROM information_schema.tables`:                             "is not allowed: a query reads events",
		`SELECT x FROM pg_catalog.pg_shadow`:                                  "is not allowed: a query reads events",
		`SELECT x FROM pg_shadow`:                                             `there is no relation "pg_shadow"`,
		`SELECT x FROM duckdb_settings()`:                                     `there is no function "duckdb_settings"`,
		`SELECT x FROM range(10) AS r`:                                        "range is not allowed: relations are events",
		`SELECT x FROM generate_series(1, 10) AS r`:                           "generate_series is not allowed",
		`SELECT unnest(amount) AS x FROM events`:                              "UNNEST is not allowed",
		`SELECT x FROM events, LATERAL (SELECT 1 AS x) AS l`:                  "LATERAL is not allowed",
		`SELECT x FROM (VALUES (1)) AS v`:                                     "VALUES is not allowed",
		`SELECT amount FROM events TABLESAMPLE 10%`:                           "another one each time",
		`SELECT amount FROM events NATURAL JOIN events AS b`:                  "NATURAL is not allowed",
		`SELECT amount FROM events ASOF JOIN events b ON true`:                "ASOF is not allowed",
		`SELECT amount FROM events SEMI JOIN events b ON b.seq = events.seq`:  "a SEMI join is not allowed",
		`SELECT amount FROM events POSITIONAL JOIN events b`:                  "POSITIONAL is not allowed",
		`SELECT amount FROM events QUALIFY true`:                              "QUALIFY is not allowed",
		`SELECT amount FROM events LIMIT 1`:                                   "LIMIT is not allowed",
		`SELECT amount FROM events OFFSET 1`:                                  "OFFSET is not allowed",
		`SELECT amount FROM events FOR UPDATE`:                                "FOR is not allowed",
		`SELECT DISTINCT ON (shop) amount FROM events`:                        "DISTINCT with distinct on targets is not allowed",
		`SELECT * FROM events`:                                                "* is not allowed",
		`SELECT events.* FROM events`:                                         "* is not allowed",
		`SELECT COLUMNS('a.*') FROM events`:                                   `there is no function "columns"`,
		`SELECT amount FROM events GROUP BY ALL`:                              "GROUP BY ALL is not allowed",
		`SELECT shop, count(*) AS x FROM events GROUP BY ROLLUP (shop)`:       "ROLLUP is not allowed",
		`SELECT shop, count(*) AS x FROM events GROUP BY 1`:                   "not their numbers",
		`SELECT shop FROM events ORDER BY 1`:                                  "NULLS FIRST or NULLS LAST",
		`SELECT shop FROM events ORDER BY amount`:                             "NULLS FIRST or NULLS LAST",
		a + `pg_read_file('/etc/passwd')` + z:                                 "pg_read_file is not allowed",
		a + `pg_catalog.pg_read_file('/etc/passwd')` + z:                      "named without a schema",
		a + `"pg_read_file"('/etc/passwd')` + z:                               "a name in quotes is no function",
		a + `lo_import('/etc/passwd')` + z:                                    "lo_import is not allowed",
		a + `getenv('HOME')` + z:                                              "the environment is not read",
		a + `current_setting('a')` + z:                                        "settings are not read",
		a + `set_config('a', 'b', false)` + z:                                 "settings are not changed",
		a + `getvariable('x')` + z:                                            `there is no function "getvariable"`,
		a + `nextval('s')` + z:                                                "a query changes nothing",
		a + `pg_sleep(100)` + z:                                               "waits for nothing",
		a + `dblink('a', 'b')` + z:                                            "asks no other server",
		a + `query_to_xml('select 1', true, true, '')` + z:                    `there is no function "query_to_xml"`,
		a + `now()` + z:                                                       "the clock is not read",
		a + `current_date` + z:                                                "the clock is not read",
		a + `current_user` + z:                                                "current_user is not allowed",
		a + `random()` + z:                                                    "another number each time",
		a + `cuont(amount)` + z:                                               `did you mean "count"`,
		a + `avg(amount)` + z:                                                 "write CAST(sum(x) AS DOUBLE)",
		a + `median(amount)` + z:                                              "percentile_cont",
		a + `round(sum(amount))` + z:                                          "round halves differently",
		a + `count(DISTINCT amount) OVER ()` + z:                              "with distinct is not allowed",
		a + `row_number() OVER ()` + z:                                        "needs ORDER BY in OVER",
		a + `row_number()` + z:                                                "needs OVER",
		a + `sum(amount, 2)` + z:                                              "takes 1 to 1 arguments",
		a + `max(amount) FILTER (WHERE pg_sleep(1))` + z:                      "waits for nothing",
		a + `percentile_cont(0.5)` + z:                                        "WITHIN GROUP",
		a + `quantile_cont(amount, 0.5)` + z:                                  `there is no function "quantile_cont"`,
		a + `sum(quantity) / 2` + z:                                           "write one side of / as CAST",
		a + `CAST(sum(quantity) AS DOUBLE) / count(*)` + z:                    "nullif(…, 0)",
		a + `CAST(sum(quantity) AS DOUBLE) / 0` + z:                           "nullif(…, 0)",
		a + `sum(quantity) % min(quantity)` + z:                               "nullif(…, 0)",
		a + `sum(quantity) // 2` + z:                                          "",
		a + `sum(quantity) ^ 2` + z:                                           `"^" is not allowed`,
		a + `sum(quantity) & 2` + z:                                           `"&" is not allowed`,
		a + `CAST(min(amount) AS BIGINT)` + z:                                 "engines round differently",
		a + `CAST(min(amount) AS DECIMAL(9, 2))` + z:                          "is for whole numbers",
		a + `max(CAST(shop AS DOUBLE))` + z:                                   "a column of texts is not read as DOUBLE",
		a + `max(CAST(shop AS DATE))` + z:                                     "a column of texts is not read as DATE",
		a + `max(TIMESTAMP '1/2/2026')` + z:                                   "write times as",
		a + `trim(min(shop))` + z:                                             "engines differ in which spaces",
		a + `extract(second FROM min(event_time))` + z:                        "is no unit here",
		a + `CAST(min(amount) AS VARCHAR)` + z:                                `"varchar" is no type here`,
		a + `min(amount)::text` + z:                                           `"text" is no type here`,
		a + `try_cast(min(shop) AS DOUBLE)` + z:                               "try_cast is not allowed",
		a + `min(shop) ILIKE 'a'` + z:                                         "ILIKE is not allowed",
		a + `min(shop) LIKE max(shop)` + z:                                    "constant pattern",
		a + `min(shop) SIMILAR TO 'a'` + z:                                    "SIMILAR TO is not allowed",
		a + `min(shop) COLLATE nocase` + z:                                    "COLLATE is not allowed",
		a + `min(shop) ~ 'a'` + z:                                             `"~" is not allowed`,
		a + `[1, 2]` + z:                                                      `"[" is not allowed`,
		a + `{'a': 1}` + z:                                                    `"{" is not allowed`,
		a + `$1` + z:                                                          "the parameters are :tick",
		a + `?` + z:                                                           "the parameters are :tick",
		a + `$tick` + z:                                                       "the parameters are :tick",
		a + `:until` + z:                                                      `there is no parameter ":until"`,
		a + `$$text$$` + z:                                                    "the parameters are :tick",
		a + `E'a\n'` + z:                                                      "prefixes of quotes",
		a + `U&'\0041'` + z:                                                   "prefixes of quotes",
		a + `'a\'` + z:                                                        "no backslash",
		a + `'a` + z:                                                          "has no end",
		a + "`amount`" + z:                                                    "is not allowed outside of quotes",
		a + `1_000` + z:                                                       "write numbers with digits",
		a + `0x10` + z:                                                        "write numbers with digits",
		a + `é` + z:                                                           "ASCII letters only",
		a + "\u00a0amount" + z:                                                "ASCII letters only",
		a + `/* /* */ */ 1` + z:                                               "a comment within a comment",
		a + `/* 1` + z:                                                        "a comment has no end",
		a + `INTERVAL '1 fortnight'` + z:                                      "write an interval as",
		a + `date_trunc('century', min(event_time))` + z:                      "is no unit here",
		a + `extract(dow FROM min(event_time))` + z:                           "is no unit here",
		a + `amuont` + z:                                                      `"amuont" not found`,
		a + `sum(shop)` + z:                                                   "sum(VARCHAR)",
		a + `DATE '2026-01-01'` + z:                                           "yields x as DATE",
		a + `main.events.amount` + z:                                          "relation.column",
		a + `(SELECT sum(tick_us) AS s FROM ticks WHERE tick_us = :tick)` + z: "not both",
		a + `max(rowid)` + z:                                                  "rowid is not allowed",
		a + `max(events.rowid)` + z:                                           "rowid is not allowed",
		a + `events` + z:                                                      "GROUP BY",
		`WITH q AS MATERIALIZED (SELECT 1 AS x) SELECT x FROM q`:              "MATERIALIZED is not allowed",
		`SELECT x FROM (TABLE pg_shadow) AS q`:                                "there is no relation",
		`SELECT customer_id, events AS x FROM events`:                         "which no feature has",
		`SELECT customer_id FROM main.events`:                                 "is not allowed: a query reads events",
		`SELECT a: 1`:                                                         "there is no parameter",
		`SELECT #1 FROM events`:                                               "is not allowed outside of quotes",
		`SELECT customer_id FROM events WHERE`:                                "syntax error",
		`SELECT customer_id FROM events AT (VERSION => 1)`:                    `there is no function "at"`,
		`SELECT ` + strings.Repeat("abs(", 70) + "1" + strings.Repeat(")", 70) + ` AS x FROM events`: "nested deeper",
		`SELECT ` + strings.Repeat("1+", MaxSource/2) + "1":                                          "more than 32768",
	} {
		q, problem := g.Transformation(text, purchases)
		require.NotNil(t, problem, "%s: %+v", text, q)
		require.Contains(t, problem.Message, wanted, text)
	}
}

// Tables of a connection: data only.
func TestSource(t *testing.T) {
	g := New()
	for text, wanted := range map[string]string{
		`SELECT customer_id, amount, sold_at FROM shop.sales s JOIN shops ON shops.id = s.shop WHERE amount > 0`: "",
		`WITH s AS (SELECT a FROM sales) SELECT a FROM s`:                                                        "",
		`SELECT a FROM sales WHERE at > :tick`:                                                                   "has no parameters",
		`SELECT a FROM information_schema.tables`:                                                                "not of the server",
		`SELECT a FROM pg_shadow`:                                                                                "not of the server",
		`SELECT a FROM pg_catalog.pg_shadow`:                                                                     "not of the server",
		`SELECT a FROM "pg_toast"."x"`:                                                                           "not of the server",
		`SELECT a FROM other.public.sales`:                                                                       "is not allowed",
		`SELECT pg_read_file('/etc/passwd') AS a FROM sales`:                                                     "pg_read_file is not allowed",
		`SELECT a FROM dblink('host=other', 'SELECT 1') AS t`:                                                    "asks no other server",
		`SELECT a FROM sales; DROP TABLE sales`:                                                                  "without a semicolon",
		`SELECT a FROM sales) AS q; DROP TABLE sales; --`:                                                        "without a semicolon",
		`SELECT a FROM sales) AS q UNION ALL SELECT a FROM (t`:                                                   "syntax error",
		`SELECT 1 AS a WHERE EXISTS (SELECT 1 AS b FROM 'f.csv')`:                                                "files are not read",
	} {
		_, problem := g.Source(text)
		if wanted == "" {
			require.Nil(t, problem, "%s: %+v", text, problem)
			continue
		}
		require.NotNil(t, problem, text)
		require.Contains(t, problem.Message, wanted, text)
	}
}

// Parameters and types are marked where they stand.
func TestBind(t *testing.T) {
	q, problem := New().Transformation(`SELECT customer_id, /* :from */ max(quantity)::double precision AS double, CAST(':to' || min(shop) AS DATE) IS NULL AS "to"
		FROM events WHERE event_us > :from AND event_us <= :TO GROUP BY customer_id`, purchases)
	require.Nil(t, problem)
	n := 0
	bound := q.Bind(func(name string) string { n++; return "$" + name }, func(name string) string { return "<" + name + ">" })
	require.Equal(t, `SELECT customer_id,             max(quantity)::<double> AS double, CAST(':to' || min(shop) AS <date>) IS NULL AS "to"
		FROM events WHERE event_us > $from AND event_us <= $to GROUP BY customer_id`, bound)
	require.Equal(t, 2, n)
	require.False(t, q.PerTick)
	require.True(t, q.Has(From))
}

// Whatever is sent, it is refused or let through; what is let through is one text without a semicolon, and is let through again as it was.
func FuzzTransformation(f *testing.F) {
	for _, seed := range []string{`SELECT customer_id, count(*) AS n FROM events WHERE event_us <= :tick GROUP BY customer_id`, `WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION SELECT 2 AS x`,
		`SELECT 'a''b' || "shop" FROM events -- ;`, `SELECT /* */ 1.5e3::DOUBLE PRECISION / nullif(2, 0) AS x`, `SELECT CAST(`, `:tick`, `"`, `'`, "\x00", `SELECT $$ 1 $$`, `SELECT 1;`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, problem := New().Transformation(text, purchases)
		require.NotEqual(t, q == nil, problem == nil)
		if q == nil {
			require.NotEmpty(t, problem.Message)
			return
		}
		require.NotEmpty(t, q.Columns)
		require.Len(t, q.Text, len(text))
		again, problem := New().Transformation(q.Text, purchases)
		require.Nil(t, problem)
		require.Equal(t, q, again)
	})
}
