package app

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"featurestore/config"
)

// Banner says in a few lines what runs where.
func (a *App) Banner() string {
	addresses := a.URLs()
	c := a.config
	where := func(engine, schema string) string {
		switch engine {
		case config.Postgres:
			return fmt.Sprintf("PostgreSQL, %s, schema %s", c.Postgres.URL, schema)
		case config.Redis:
			return fmt.Sprintf("Redis, %s, prefix %s", c.Redis.URL, c.Redis.Prefix)
		}
		return "SQLite"
	}
	data := "on the servers"
	if a.folder != nil {
		data = a.folder.path
		if absolute, err := filepath.Abs(data); err == nil {
			data = absolute
		}
	}
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-12s %s\n", name, text) }
	line("featurestore", ThisVersion().Version)
	line("roles", strings.Join(c.Roles, ", "))
	line("addresses", strings.Join(addresses, "  "))
	line("data", data)
	line("registry", where(c.Engines.Registry, registrySchema(c)))
	line("offline", where(c.Engines.Offline, c.Postgres.Schema))
	line("online", where(c.Engines.Online, ""))
	if c.Has(config.Web) {
		line("admin page", addresses[0]+"/admin/")
	}
	line("API docs", addresses[0]+"/docs")
	return b.String()
}

// URLs are where callers on this machine find the process, in the order of http.listen.
func (a *App) URLs() []string {
	var all []string
	for _, address := range a.Addresses() {
		all = append(all, "http://"+reachable(address))
	}
	return all
}

// reachable is an address as a caller on this machine writes it.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
