package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"featurestore/config"
)

// role is what a process does that has it.
type role struct {
	name  string
	paths []string // the first segments of the paths that it serves; they belong to it alone
	work  string   // what it does besides answering
}

// roles is the table of all roles. What stands in no row is served by every process: see everywhere.
var roles = []role{
	{config.Registry, []string{"apply", "entity-types", "features", "groups", "lineage", "services"},
		"nothing; every process follows the definitions that others change"},
	{config.Validation, []string{"alerts", "baselines", "drift", "profiles", "receivers", "reports", "rules", "silences", "validate"},
		"judges and profiles what is stored, tells receivers of alerts"},
	{config.Store, []string{"compact", "erasures", "explain", "get", "get-online-features", "history", "push", "quarantine", "rows", "store", "stores",
		"training-sets", "write-to-online-store"},
		"compacts, erases, reverts, expires quarantine and old keys"},
	{config.Materialization, []string{"materialize", "materialize-incremental"},
		"keeps the online copies in step, rebuilds and checks them"},
	{config.Batch, []string{"pipelines"},
		"computes what pipelines define and publishes it"},
	{config.Scheduler, []string{"schedules"},
		"orders what is due"},
	{config.Web, []string{"admin"},
		"nothing; its pages have the calls of all roles, inside of the process"},
}

// everywhere are the first segments that every process serves, whatever its roles.
var everywhere = []string{"", "docs", "health", "healthz", "metrics", "migrations", "openapi.json", "readyz", "runs", "settings", "version"}

// roleOf is the role that serves paths of a first segment, "" for none or all.
func roleOf(segment string) string {
	for _, r := range roles {
		if slices.Contains(r.paths, segment) {
			return r.name
		}
	}
	return ""
}

// elsewhere is the role that serves paths of a first segment where this process does not.
func (a *App) elsewhere(segment string) string {
	if name := roleOf(segment); name != "" && !a.config.Has(name) {
		return name
	}
	return ""
}

// WriteRoles writes the table of roles for people.
func WriteRoles(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tSERVES\tDOES BESIDES")
	line := func(name string, paths []string, work string) {
		const each = 4 // paths on a line
		for i, some := range slices.Collect(slices.Chunk(paths, each)) {
			served := "/" + strings.Join(some, " /")
			if i > 0 {
				fmt.Fprintf(table, "\t%s\n", served)
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", name, served, work)
		}
	}
	for _, r := range roles {
		line(r.name, r.paths, r.work)
	}
	line("(every process)", everywhere[1:], "the runs of its roles")
	return table.Flush()
}
