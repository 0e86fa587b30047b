package batch

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// configured is a configuration that names a root and two connections.
func configured() Config {
	c := DefaultConfig()
	c.Roots = []string{"landing=/srv/landing"}
	c.Connections = []string{"warehouse=/run/secrets/warehouse", "billing=$BILLING_URL"}
	return c
}

func registryOn(t testing.TB, db *gorm.DB, c *Compiler) *registry.Registry {
	require.NoError(t, registry.Migrate(context.Background(), db))
	definitions, err := registry.New(db, registry.DefaultConfig(), quiet, PipelineKind(c))
	require.NoError(t, err)
	definitions.Clock = func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, definitions.Start(context.Background()))
	t.Cleanup(definitions.Stop)
	return definitions
}

func apply(t testing.TB, definitions *registry.Registry, file string) *registry.Plan {
	t.Helper()
	plan, err := definitions.Apply(context.Background(), []byte(file), "", registry.Options{})
	require.NoError(t, err)
	return plan
}

const shopFile = `
entity_types: [{name: customer}, {name: seat, join_keys: [{name: row}, {name: number, value_type: INTEGER}]}]
groups:
  - name: purchases
    entity_type: customer
    kind: events
    features: [{name: order_id, value_type: STRING}, {name: amount, value_type: FLOAT}, {name: quantity, value_type: INTEGER}, {name: currency, value_type: STRING},
      {name: paid, value_type: BOOLEAN}, {name: sent_at, value_type: TIMESTAMP}, {name: sizes, value_type: "FLOAT[]"}, {name: details, value_type: JSON}, {name: seq, value_type: INTEGER}]
  - name: customer_purchases
    entity_type: customer
    features: [{name: orders_30d, value_type: INTEGER}, {name: total_90d, value_type: FLOAT}, {name: last_orders, value_type: "STRING[]"}, {name: last_purchase, value_type: TIMESTAMP},
      {name: currency, value_type: STRING}, {name: share, value_type: FLOAT}, {name: silent_for, value_type: INTEGER}, {name: loyal, value_type: BOOLEAN}, {name: gone, value_type: INTEGER, status: archived}]
  - name: customer_score
    entity_type: customer
    features: [{name: score, value_type: FLOAT}]
  - {name: seats, entity_type: seat, features: [{name: sold, value_type: BOOLEAN}]}
`

// wordsOf are the violations of a fault.
func wordsOf(t testing.TB, err error) []string {
	problem, ok := fault.As(err)
	require.True(t, ok, "%v is no fault", err)
	words := []string{}
	for _, v := range problem.Violations {
		words = append(words, v.Location+": "+v.Message)
	}
	return words
}

// Each wrong member has its sentence and its place, all that is wrong is listed, and nothing is stored.
func TestBadDefinitions(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)(), NewCompiler(configured()))
	apply(t, definitions, shopFile)
	apply(t, definitions, `pipelines: [{name: scores, source: {group: customer_purchases}, target: customer_score, tick: daily, aggregate: [{feature: score, function: last, of: total_90d, window: lifetime}]}]`)
	before := definitions.Catalog().Revision()
	const (
		base  = `name: p, source: {group: purchases}, target: customer_purchases, tick: daily`
		files = `name: p, target: customer_purchases, tick: daily, aggregate: [{feature: orders_30d, function: count, window: 30d}]`
	)
	aggregate := func(members string) string {
		return `{` + base + `, aggregate: [{` + members + `}]}`
	}
	where := func(condition string) string {
		return aggregate(`feature: orders_30d, function: count, window: 30d, where: '` + condition + `'`)
	}
	query := func(text string) string { return `{` + base + `, sql: '` + text + `'}` }
	for file, wanted := range map[string][]string{
		// The whole of it.
		`{name: Bad}`: {"name: a name is 1 to 48"},
		`{name: p}`:   {"source: must be given", "target: must be given", "tick: must be given"},
		`{name: p, souce: 1, source: [], target: 7, tick: 9}`: {"souce: unknown member; did you mean \"source\"?", "source: expected an object with group", "target: expected a string, got a number", "tick: expected a text"},
		`{` + base + `}`:                 {"aggregate: give aggregate, a list of features and how they are computed, or sql"},
		`{` + base + `, aggregate: []}`:  {"aggregate: give aggregate"},
		`{` + base + `, aggregate: {}}`:  {"aggregate: expected a list"},
		`{` + base + `, aggregate: [5]}`: {"aggregate[0]: expected an object with feature, function"},
		`{` + base + `, sql: "SELECT 1", aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                                                      {"sql: give aggregate or sql, not both"},
		`{name: preview, source: {group: purchases}, target: customer_purchases, tick: daily, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`: {"name: is the name of a call, /pipelines/preview"},
		`{` + base + `, engine: sparc, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                                                        {"engine: use local, postgres"},
		`{` + base + `, limits: {memory: 1MiB, timeout: soon, disk: 1}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`: {"limits.memory: use at least 64MiB",
			"limits.timeout: write a duration", "limits.disk: unknown member; limits has memory, timeout"},
		`{` + base + `, limits: {memory: much}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:      {"limits.memory: expected a size, such as 512MiB"},
		`{` + base + `, min_rows_ratio: 2, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:           {"min_rows_ratio: expected a share from 0 to 1"},
		`{` + base + `, schedule: {cron: "0 2 * *"}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`: {"schedule.cron: "},
		`{` + base + `, after: [nobody], aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:             {`after[0]: there is no pipeline "nobody"`},
		`{` + base + `, after: [score], aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:              {`after[0]: there is no pipeline "score"; did you mean "scores"?`},
		`{` + base + `, after: [p], aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                  {"after[0]: is this pipeline itself"},

		// The source.
		`{` + files + `, source: {}}`: {"source: give exactly one of group, connection or files"},
		`{` + files + `, source: {group: purchases, files: "a.csv", root: landing}}`:                                    {"source: give exactly one of group"},
		`{` + files + `, source: {grup: purchases}}`:                                                                    {`source.grup: unknown member; a source has group`, "source: give exactly one of"},
		`{` + files + `, source: {group: purchase}}`:                                                                    {`source.group: there is no group "purchase"; did you mean "purchases"?`},
		`{` + files + `, source: {group: seats}}`:                                                                       {"source.group: is about seat and the target customer_purchases about customer"},
		`{` + files + `, source: {group: customer_purchases}}`:                                                          {"target: is the source too: a pipeline does not feed itself"},
		`{` + files + `, source: {group: customer_score}}`:                                                              {"source.group: is fed by this pipeline's own target: scores makes customer_score of customer_purchases"},
		`{` + files + `, source: {group: purchases, table: t, columns: {a: FLOAT}}}`:                                    {"source.table: is nothing that a source with group has", "source.columns: is nothing"},
		`{` + files + `, source: {connection: warehous, table: sales}}`:                                                 {`source.connection: there is no connection "warehous": batch.connections names warehouse, billing; did you mean "warehouse"?`},
		`{` + files + `, source: {connection: warehouse}}`:                                                              {"source: a source with connection has either table or query"},
		`{` + files + `, source: {connection: warehouse, table: a, query: SELECT 1}}`:                                   {"source: a source with connection has either table or query"},
		`{` + files + `, source: {connection: warehouse, table: a.b.c}}`:                                                {"source.table: write a table as its name, or as schema.name"},
		`{` + files + `, source: {connection: warehouse, table: pg_authid}}`:                                            {"source.table: is a table of the server"},
		`{` + files + `, source: {connection: warehouse, table: pg_catalog.x}}`:                                         {"source.table: is a table of the server"},
		`{` + files + `, source: {connection: warehouse, query: "DROP TABLE sales"}}`:                                   {"source.query: DROP is not allowed"},
		`{` + files + `, source: {connection: warehouse, query: "SELECT pg_read_file('/etc/passwd') AS a FROM sales"}}`: {"source.query: pg_read_file is not allowed"},
		`{` + files + `, source: {connection: warehouse, table: sales, root: landing}}`:                                 {"source.root: is nothing that a source with connection has"},
		`{` + files + `, source: {files: "a/*.csv"}}`:                                                                   {"source.root: must be given: the name of one of batch.roots"},
		`{` + files + `, source: {files: "a/*.csv", root: lending}}`:                                                    {`source.root: there is no root "lending": batch.roots names landing; did you mean "landing"?`},
		`{` + files + `, source: {files: "/etc/passwd", root: landing}}`:                                                {"source.files: write a path below the root"},
		`{` + files + `, source: {files: "../secrets/*", root: landing}}`:                                               {"source.files: files are below the root: a path has no .."},
		`{` + files + `, source: {files: "s3://bucket/a.csv", root: landing}}`:                                          {"source.files: a pattern has letters"},
		`{` + files + `, source: {files: "a[", root: landing}}`:                                                         {"source.files: is no pattern"},
		`{` + files + `, source: {files: "a//b", root: landing}}`:                                                       {"source.files: is no pattern"},
		`{` + files + `, source: {files: a.csv, root: landing, columns: {Amount: FLOAT, price: MONEY, sizes: "FLOAT[]", seq: INTEGER, customer_id: STRING}}}`: {
			"source.columns.Amount: a name is 1 to 48", "source.columns.price: expected a value type", "source.columns.sizes: columns of tables and files have single values", "source.columns.seq: is a column of events already"},
		`{` + files + `, source: {files: a.csv, root: landing, columns: {customer_id: STRING}}}`: {"source.columns.customer_id: is a join key of customer"},
		`{` + files + `, source: {files: a.csv, root: landing, columns: [a, b]}}`:                {"source.columns[0]: expected an object with name"},
		`{` + files + `, source: {files: a.csv, root: landing, entity: {cust: customer_id}}}`:    {"source.entity.cust: is no join key of customer"},
		`{` + files + `, source: {files: a.csv, root: landing, entity: [cust]}}`:                 {"source.entity: expected an object with a column for each join key"},
		`{` + files + `, source: {files: a.csv, root: landing, time_zone: Mars/Olympus}}`:        {`source.time_zone: "Mars/Olympus" is no time zone`},

		// Target and ticks.
		`{name: p, source: {group: purchases}, target: purchases, tick: daily, aggregate: [{feature: amount, function: sum, of: amount, window: 1d}]}`:                               {"target: is a group of events"},
		`{name: p, source: {group: purchases}, target: nothing, tick: daily, aggregate: [{feature: amount, function: sum, of: amount, window: 1d}]}`:                                 {`target: there is no group "nothing"`},
		`{name: p, source: {group: purchases}, target: customer_purchases, tick: weekly, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                          {"tick: use hourly, daily, month_end, monthly"},
		`{name: p, source: {group: purchases}, target: customer_purchases, tick: {every: 1h}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                     {"tick.every: unknown member; a tick has cron"},
		`{name: p, source: {group: purchases}, target: customer_purchases, tick: {cron: "0 0 30 2 *"}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:            {"tick.cron: this never comes"},
		`{name: p, source: {group: purchases}, target: customer_purchases, tick: {cron: "every day"}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:             {"tick.cron: expected exactly 5 fields"},
		`{name: p, source: {group: purchases}, target: customer_purchases, tick: {cron: "CRON_TZ=UTC 0 2 * * *"}, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`: {"tick.cron: a cron spec names no time zone"},
		`{` + base + `, tick_zone: Local, aggregate: [{feature: orders_30d, function: count, window: 30d}]}`:                                                                         {`tick_zone: "Local" is no time zone`},

		// Aggregations.
		aggregate(``): {"aggregate[0].feature: must be given", "aggregate[0].function: must be given: count, sum"},
		aggregate(`feature: order_30d, function: count, window: 30d`):                                {`aggregate[0].feature: there is no feature "order_30d" in the group customer_purchases; did you mean "orders_30d"?`},
		aggregate(`feature: gone, function: count, window: 30d`):                                     {"aggregate[0].feature: the feature gone is archived"},
		aggregate(`feature: orders_30d, function: cuont, window: 30d`):                               {`aggregate[0].function: use count, sum`},
		aggregate(`feature: orders_30d, function: count`):                                            {"aggregate[0].window: must be given: a duration such as 30d, or lifetime"},
		aggregate(`feature: orders_30d, function: count, window: forever`):                           {"aggregate[0].window: write a duration as a whole number"},
		aggregate(`feature: orders_30d, function: count, window: 0d`):                                {"aggregate[0].window: a duration is longer than nothing"},
		aggregate(`feature: orders_30d, function: count, window: 99999d`):                            {"aggregate[0].window: the longest duration is a hundred years"},
		aggregate(`feature: total_90d, function: sum, window: 90d`):                                  {"aggregate[0].of: must be given: sum takes a column of events"},
		aggregate(`feature: total_90d, function: sum, of: amuont, window: 90d`):                      {`aggregate[0].of: there is no column "amuont" in events; did you mean "amount"?`},
		aggregate(`feature: total_90d, function: sum, of: currency, window: 90d`):                    {"aggregate[0].of: currency is STRING, and sum takes INTEGER, FLOAT"},
		aggregate(`feature: total_90d, function: sum, of: event_time, window: 90d`):                  {"aggregate[0].of: sum takes no event_time"},
		aggregate(`feature: total_90d, function: min, of: paid, window: 90d`):                        {"aggregate[0].of: paid is BOOLEAN, and min takes"},
		aggregate(`feature: total_90d, function: last, of: details, window: 90d`):                    {"aggregate[0].of: details is JSON, and last takes"},
		aggregate(`feature: total_90d, function: last, of: sizes, window: 90d`):                      {"aggregate[0].of: sizes is FLOAT[], and last takes"},
		aggregate(`feature: orders_30d, function: count_distinct, of: customer_id, window: 90d`):     {"aggregate[0].of: is a join key, and the same in all rows of an entity"},
		aggregate(`feature: orders_30d, function: max, of: seq, window: 90d`):                        {"aggregate[0].of: is the place of an event in its source"},
		aggregate(`feature: orders_30d, function: sum, of: amount, window: 30d`):                     {"aggregate[0].feature: sum of amount is FLOAT, and the feature customer_purchases:orders_30d is INTEGER"},
		aggregate(`feature: orders_30d, function: last, of: event_time, window: 30d`):                {"aggregate[0].feature: last of event_time is TIMESTAMP"},
		aggregate(`feature: last_orders, function: last_n, of: order_id, window: 30d`):               {"aggregate[0].n: must be given"},
		aggregate(`feature: last_orders, function: last_n, of: order_id, n: 0, window: 30d`):         {"aggregate[0].n: expected a whole number from 1 to 1000"},
		aggregate(`feature: last_orders, function: last_n, of: amount, n: 2, window: 30d`):           {"aggregate[0].feature: last_n of amount is FLOAT[]"},
		aggregate(`feature: orders_30d, function: count, n: 3, window: 30d`):                         {"aggregate[0].n: only last_n has one"},
		aggregate(`feature: orders_30d, function: sum, of: quantity, decimals: 2, window: 30d`):      {"aggregate[0].decimals: is for sum, avg and stddev of a FLOAT column"},
		aggregate(`feature: total_90d, function: sum, of: amount, decimals: 10, window: 30d`):        {"aggregate[0].decimals: expected a whole number from 0 to 9"},
		aggregate(`feature: currency, function: last, of: currency, window: 30d, empty: zero`):       {"aggregate[0].empty: zero is for INTEGER and FLOAT"},
		aggregate(`feature: currency, function: last, of: currency, window: 30d, empty: skip`):       {"aggregate[0].empty: use nothing, null, zero"},
		aggregate(`feature: orders_30d, function: count, window: 30d, numerator: {function: count}`): {"aggregate[0].numerator: only a ratio has one"},
		aggregate(`feature: share, function: ratio, window: 30d, of: amount, where: paid`): {"aggregate[0].of: is nothing that a ratio has", "aggregate[0].where: is nothing",
			"aggregate[0].numerator: must be given", "aggregate[0].denominator: must be given"},
		aggregate(`feature: share, function: ratio, window: 30d, numerator: {function: ratio}, denominator: {function: last, of: currency}`): {
			"aggregate[0].numerator.function: use count, sum"},
		aggregate(`feature: share, function: ratio, window: 30d, numerator: {function: count, empty: null, feature: x}, denominator: {function: last, of: currency}`): {
			"aggregate[0].numerator.empty: unknown member; a part of a ratio has", "aggregate[0].numerator.feature: unknown member"},
		aggregate(`feature: share, function: ratio, window: 30d, numerator: {function: count}, denominator: {function: last, of: currency}`): {
			"aggregate[0].denominator.of: a part of a ratio is a number, and last of currency is STRING"},
		aggregate(`feature: share, function: ratio, numerator: {function: count, window: 7d}, denominator: {function: count, window: 30d}`): {"aggregate[0].window: must be given"},
		aggregate(`feature: orders_30d, function: count, window: 30d}, {feature: orders_30d, function: count, window: 60d`):                 {"aggregate[1].feature: the feature orders_30d is given twice"},

		// Conditions.
		where(`amuont > 1`):                              {`aggregate[0].where: there is no column "amuont" in events; did you mean "amount"?`},
		where(`amount = 1`):                              {"aggregate[0].where: unexpected token Operator"},
		where(`amount >`):                                {"aggregate[0].where: unexpected token EOF"},
		where(`currency > 1`):                            {"aggregate[0].where: currency is STRING and 1 is INTEGER: they cannot be compared"},
		where(`sent_at > "2026-01-01"`):                  {`write a time as date("2026-01-31T00:00:00Z")`},
		where(`sent_at > date("soon")`):                  {"aggregate[0].where: date takes one constant time"},
		where(`amount + 1 > 2`):                          {"aggregate[0].where: amount + 1 is neither a column nor a constant: where computes nothing"},
		where(`-quantity == 3`):                          {"aggregate[0].where: -quantity is neither a column nor a constant"},
		where(`upper(currency) == "EUR"`):                {"is neither a column nor a constant: where computes nothing"},
		where(`currency matches "E.*"`):                  {"aggregate[0].where: matches is not allowed"},
		where(`currency contains "E"`):                   {"aggregate[0].where: contains is not allowed"},
		where(`quantity in 1..5`):                        {"aggregate[0].where: in takes a list of constants"},
		where(`quantity in []`):                          {"aggregate[0].where: in takes a list of 1 to 200"},
		where(`quantity in [1, amount]`):                 {"aggregate[0].where: amount is no constant"},
		where(`quantity in ["a"]`):                       {"aggregate[0].where: quantity is INTEGER and \"a\" is STRING"},
		where(`details == "x"`):                          {"only == nil and != nil are for JSON and arrays"},
		where(`sizes == 1`):                              {"only == nil and != nil are for JSON and arrays"},
		where(`quantity`):                                {"aggregate[0].where: quantity is INTEGER and no condition"},
		where(`paid < true`):                             {"aggregate[0].where: paid is BOOLEAN, which has no order"},
		where(`1 < 2`):                                   {"aggregate[0].where: 1 < 2 compares two constants"},
		where(`true`):                                    {"aggregate[0].where: true alone is the same for all rows"},
		where(`nil == nil`):                              {"is a constant: compare a column with nil"},
		where(`quantity < nil`):                          {"aggregate[0].where: < nil is never true"},
		where(`details.a == 1`):                          {"looks into a value, which where cannot"},
		where(`let x = 1; quantity > x`):                 {"aggregate[0].where: "},
		where(`customer_id == "a"`):                      {"aggregate[0].where: is a join key"},
		where(strings.Repeat("paid and ", 400) + "paid"): {"aggregate[0].where: "},
		where(strings.Repeat(" ", 5000) + "paid"):        {"aggregate[0].where: longer than 4096 bytes"},

		// SQL.
		query(`SELECT customer_id, count(*) AS orders_30d FROM events; DROP TABLE events`): {"sql: write one SELECT without a semicolon"},
		query(`COPY events TO PROGRAM ''cat''`):                                            {"sql: COPY is not allowed"},
		query(`INSERT INTO events SELECT 1`):                                               {"sql: INSERT is not allowed"},
		query(`ATTACH ''x.db''`):                                                           {"sql: ATTACH is not allowed"},
		query(`INSTALL httpfs`):                                                            {"sql: INSTALL is not allowed"},
		query(`SELECT customer_id, pg_read_file(''a'') AS currency FROM events WHERE event_us <= :tick`):               {"sql: pg_read_file is not allowed"},
		query(`SELECT customer_id, 1 AS orders_30d FROM read_csv(''a.csv'')`):                                          {"sql: read_csv is not allowed"},
		query(`SELECT customer_id, 1 AS orders_30d FROM purchases WHERE :tick > 0`):                                    {`sql: there is no relation "purchases"`},
		query(`SELECT customer_id, sum(amuont) AS total_90d FROM events WHERE event_us <= :tick GROUP BY customer_id`): {"sql: Binder Error: Referenced column \"amuont\" not found"},
		query(`SELECT count(*) AS orders_30d FROM events WHERE event_us <= :tick`):                                     {"sql: yields no column customer_id"},
		query(`SELECT customer_id, count(*) AS orders FROM events WHERE event_us <= :tick GROUP BY customer_id`):       {`sql: there is no feature "orders" in the group customer_purchases`, "sql: yields no feature"},
		query(`SELECT customer_id, count(*) AS currency FROM events WHERE event_us <= :tick GROUP BY customer_id`):     {"sql: yields currency as INTEGER, and the feature customer_purchases:currency is STRING"},
		query(`SELECT quantity AS customer_id, 1 AS orders_30d FROM events WHERE event_us <= :tick`):                   {"sql: yields customer_id as INTEGER, and the join key customer_id is STRING"},
		query(`SELECT customer_id, count(*) AS orders_30d FROM events GROUP BY customer_id`):                           {"sql: yields no event_us: a query without :tick is run once for a range"},
		query(`SELECT customer_id, event_us, 1 AS orders_30d FROM events WHERE event_us <= :tick`):                     {"sql: yields event_us, but a query with :tick is run for that tick alone"},
		query(`SELECT customer_id, event_us, event_time, 1 AS orders_30d FROM events`):                                 {"sql: yields event_us and event_time: one of them is enough"},
		query(`SELECT customer_id, event_us, 1 AS orders_30d, 2 AS orders_30d FROM events`):                            {"sql: yields two columns called orders_30d"},
		query(`SELECT customer_id, event_us, 1 AS score FROM events WHERE :until > 0`):                                 {`sql: there is no parameter ":until"`},
		query(`SELECT customer_id, event_us, $1 AS orders_30d FROM events`):                                            {"sql: the parameters are :tick, :from and :to"},
		query(strings.Repeat(" ", 40_000) + `SELECT 1`):                                                                {"sql: longer than 32768 bytes"},

		// Others beside it.
		`{name: q, source: {group: purchases}, target: customer_score, tick: daily, aggregate: [{feature: score, function: sum, of: amount, window: 1d}]}`: {
			"aggregate[0].feature: the feature customer_score:score is computed by the pipeline scores already"},
		`{name: q, source: {group: purchases}, target: customer_score, tick: daily, sql: "SELECT customer_id, 1.5 AS score FROM events WHERE event_us <= :tick GROUP BY customer_id"}`: {
			"sql: the feature customer_score:score is computed by the pipeline scores already"},
	} {
		_, err := definitions.Apply(context.Background(), []byte("pipelines: ["+file+"]"), "", registry.Options{})
		require.Error(t, err, file)
		words := wordsOf(t, err)
		for _, sentence := range wanted {
			if at, _, located := strings.Cut(sentence, ": "); located && !strings.Contains(at, " ") {
				sentence = "pipelines[0]" + strings.TrimSuffix("."+at, ".") + ": " + strings.TrimPrefix(sentence, at+": ")
			}
			if !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, sentence) }) {
				t.Errorf("%s\n wanted %s\n    got %s", file, sentence, strings.Join(words, "\n        "))
			}
		}
	}
	require.Equal(t, before, definitions.Catalog().Revision(), "nothing was stored")
}
