package gate

import (
	"maps"
	"slices"
	"strings"
)

// Dialect tells those who write a query what it can be, in Markdown.
func Dialect() string {
	return "**The SQL of pipelines** is one SELECT over the relation `events` (the join keys, `event_time`, `event_us`, `seq`, and the columns of the source) and, where it is run for a range, " +
		"`ticks` (`tick_us`, `from_us`), with the parameters `:tick`, `:from` and `:to`, which are BIGINT, in µs. It yields the join keys and a column for each feature. What is let through means the same " +
		"on every engine, and reads nothing else:\n\n" +
		"- Functions: `" + strings.Join(functionNames(), "`, `") + "`. Of those that are not among them, the refusal says what to use instead.\n" +
		"- Types: `" + strings.Join(slices.Sorted(maps.Keys(types)), "`, `") + "`.\n" +
		strings.Join(notes, "")
}

// notes are what a person should know.
var notes = []string{
	"- `sum` of FLOAT depends on the order of additions, and differs in its last digits from engine to engine: sum whole numbers, such as cents, `CAST(floor(amount * 100 + 0.5) AS BIGINT)`, " +
		"and write an average as `CAST(sum(…) AS DOUBLE) / nullif(count(…), 0)`. `sum` of INTEGER is exact.\n",
	"- `min`, `max`, `greatest`, `least` and ORDER BY order texts by their bytes; `greatest` and `least` leave nulls out.\n",
	"- `lower` and `upper` are for ASCII letters; `length` counts characters.\n",
	"- `date_trunc` takes its unit as a text: second, minute, hour, day, week (from Monday), month, quarter, year; `extract` takes minute … year.\n",
	"- A query within a SELECT with GROUP BY that reads its join keys stands in an aggregate there: `max((SELECT count(*) FROM … WHERE …))`; Spark fails otherwise.\n",
	"- OVER and `percentile_cont` need an order that leaves nothing open: NULLS FIRST or NULLS LAST is written where a column can be null.\n",
}
