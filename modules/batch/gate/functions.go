package gate

import (
	"maps"
	"slices"
)

// function is what is known of one that is let through.
type function struct {
	tree        string // what DuckDB's parser makes of it; "": the same
	least, most int    // arguments
	aggregate   bool
	window      bool // only with OVER
	within      bool // only with WITHIN GROUP
	distinct    bool // can have DISTINCT
	framed      bool // an aggregate that can have OVER
}

// functions are let through: they read nothing but their arguments, have no effect, and mean the same on DuckDB, PostgreSQL and Spark, null and
// the ends of ranges included; package batchtest asks each of them of each engine. What a person should know of them stands in Dialect.
var functions = map[string]function{
	"count":           {most: 1, aggregate: true, distinct: true, framed: true},
	"sum":             {least: 1, most: 1, aggregate: true, distinct: true, framed: true},
	"min":             {least: 1, most: 1, aggregate: true, framed: true},
	"max":             {least: 1, most: 1, aggregate: true, framed: true},
	"bool_and":        {least: 1, most: 1, aggregate: true},
	"bool_or":         {least: 1, most: 1, aggregate: true},
	"percentile_cont": {tree: "quantile_cont", least: 1, most: 1, aggregate: true, within: true},

	"row_number":  {window: true},
	"rank":        {window: true},
	"dense_rank":  {window: true},
	"lag":         {least: 1, most: 3, window: true},
	"lead":        {least: 1, most: 3, window: true},
	"first_value": {least: 1, most: 1, window: true},
	"last_value":  {least: 1, most: 1, window: true},

	"abs":        {least: 1, most: 1},
	"ceil":       {least: 1, most: 1},
	"floor":      {least: 1, most: 1},
	"sqrt":       {least: 1, most: 1},
	"greatest":   {least: 2, most: 20},
	"least":      {least: 2, most: 20},
	"coalesce":   {least: 2, most: 20},
	"nullif":     {least: 2, most: 2},
	"length":     {least: 1, most: 1},
	"lower":      {least: 1, most: 1},
	"upper":      {least: 1, most: 1},
	"replace":    {least: 3, most: 3},
	"date_trunc": {least: 2, most: 2},
}

// operators are let through as functions are; / and % need a divisor that is not zero.
var operators = []string{"+", "-", "*", "/", "%", "||", "~~", "!~~"}

// refusedFunctions are those that a person would look for, each with the reason and what to use.
var refusedFunctions = map[string]string{
	"avg":                   "its last digits differ between engines; write CAST(sum(x) AS DOUBLE) / nullif(count(x), 0)",
	"stddev":                "its last digits differ between engines; declare it under aggregate",
	"stddev_samp":           "its last digits differ between engines; declare it under aggregate",
	"variance":              "its last digits differ between engines",
	"median":                "PostgreSQL has none; write percentile_cont(0.5) WITHIN GROUP (ORDER BY x)",
	"percentile_disc":       "Spark makes a FLOAT of it; write percentile_cont, or use row_number() OVER (…)",
	"mode":                  "engines choose differently among the most frequent",
	"count_if":              "PostgreSQL has none; write count(*) FILTER (WHERE …)",
	"max_by":                "PostgreSQL has none; use row_number() OVER (…)",
	"min_by":                "PostgreSQL has none; use row_number() OVER (…)",
	"arg_max":               "PostgreSQL has none; use row_number() OVER (…)",
	"arg_min":               "PostgreSQL has none; use row_number() OVER (…)",
	"approx_count_distinct": "it is not the same on every engine; write count(DISTINCT x)",
	"round":                 "engines round halves differently; write floor(x * 100 + 0.5) / CAST(100 AS DOUBLE)",
	"if":                    "PostgreSQL has none; write CASE",
	"ifnull":                "write coalesce",
	"concat":                "engines differ in what a null makes of it; write ||",
	"trim":                  "engines differ in which spaces they take away; write replace",
	"substr":                "engines differ in what lies outside of the text",
	"substring":             "engines differ in what lies outside of the text",
	"now":                   "the clock is not read: use :tick",
	"today":                 "the clock is not read: use :tick",
	"random":                "it is another number each time",
	"range":                 "relations are events, ticks and common table expressions",
	"generate_series":       "relations are events, ticks and common table expressions",
	"datediff":              "engines count differently; subtract event_us",
	"epoch":                 "engines differ; use event_us",
	"read_csv":              "a query reads events only, and no files",
	"read_csv_auto":         "a query reads events only, and no files",
	"read_parquet":          "a query reads events only, and no files",
	"parquet_scan":          "a query reads events only, and no files",
	"read_json":             "a query reads events only, and no files",
	"read_json_auto":        "a query reads events only, and no files",
	"read_text":             "a query reads events only, and no files",
	"read_blob":             "a query reads events only, and no files",
	"glob":                  "a query reads events only, and no folders",
	"pg_read_file":          "a query reads events only, and no files",
	"pg_read_binary_file":   "a query reads events only, and no files",
	"pg_ls_dir":             "a query reads events only, and no folders",
	"lo_import":             "a query reads events only, and no files",
	"lo_export":             "a query writes nothing",
	"dblink":                "a query reads events only, and asks no other server",
	"getenv":                "the environment is not read",
	"current_setting":       "settings are not read",
	"set_config":            "settings are not changed",
	"pg_sleep":              "a query waits for nothing",
	"nextval":               "a query changes nothing",
}

func functionNames() []string { return slices.Sorted(maps.Keys(functions)) }

// inTree finds a function by what DuckDB's parser calls it.
func inTree(name string) (string, function, bool) {
	if name == "count_star" {
		return "count", functions["count"], true
	}
	for written, f := range functions {
		if f.tree == name || written == name {
			return written, f, true
		}
	}
	return name, function{}, false
}
