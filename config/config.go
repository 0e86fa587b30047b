// Package config is what can be set: one typed value, read once at start from default.yaml, a file, the environment and flags,
// validated whole, and handed down. Each module says itself what can be set of it; default.yaml explains every key.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/rueidis"

	"featurestore/modules/batch"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/scheduler"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/alerts"
	"featurestore/web"
)

// Roles that a process can have; All stands for every one of them.
const (
	All             = "all"
	Registry        = "registry"
	Validation      = "validation"
	Store           = "store"
	Materialization = "materialization"
	Batch           = "batch"
	Scheduler       = "scheduler"
	Web             = "web"
)

// Roles lists them in the order in which they depend on each other.
var Roles = []string{Registry, Validation, Store, Materialization, Batch, Scheduler, Web}

// Engines.
const (
	Auto     = "auto" // the server whose URL is given, or else SQLite
	SQLite   = "sqlite"
	Postgres = "postgres"
	Redis    = "redis"
)

// Config is all settings. Keys are the names of the members in lower case with underscores; the members of an embedded Config
// belong to the section that embeds it, and sizes, whose names end in Bytes, go without that ending.
type Config struct {
	Roles           []string
	Data            string // the folder of the embedded engines
	Environment     string // whose database it is: production, staging; "" for none
	ReadOnly        bool   // this process changes nothing
	HTTP            HTTP
	Auth            Auth
	Engines         Engines
	Postgres        PostgresServer
	Redis           RedisServer
	Registry        registry.Config
	Validation      validation.Config
	Alerts          alerts.Config
	Store           store.Config
	History         store.History
	Materialization materialization.Config
	Batch           batch.Config
	Scheduler       scheduler.Config
	Runs            runs.Config
	Web             web.Config
	Log             Log
}

// HTTP is how the process is reached.
type HTTP struct {
	Listen         []string
	AllowedHosts   []string
	TrustedOrigins []string
	AccessLog      bool
	Grace          time.Duration // for running requests, once the process is told to end
}

// Auth is who may call.
type Auth struct {
	AllowUnauthenticated bool
}

// Engines says where the data is.
type Engines struct {
	Registry string
	Offline  string
	Online   string
}

// PostgresServer is where PostgreSQL is.
type PostgresServer struct {
	URL    Secret
	Schema string
}

// RedisServer is where Redis is.
type RedisServer struct {
	URL    Secret
	Prefix string
}

// Log is what is written to standard error.
type Log struct {
	Level  string
	Format string
}

// Has tells whether this process has a role.
func (c *Config) Has(role string) bool {
	return slices.Contains(c.Roles, All) || slices.Contains(c.Roles, role)
}

// Embedded tells whether any engine keeps its data in the data folder.
func (c *Config) Embedded() bool {
	return c.Engines.Registry == SQLite || c.Engines.Offline == SQLite || c.Engines.Online == SQLite
}

// settle replaces auto by the engine that it stands for.
func (c *Config) settle() {
	choose := func(engine *string, url Secret, server string) {
		if *engine != Auto {
			return
		}
		*engine = SQLite
		if url != "" {
			*engine = server
		}
	}
	choose(&c.Engines.Registry, c.Postgres.URL, Postgres)
	choose(&c.Engines.Offline, c.Postgres.URL, Postgres)
	choose(&c.Engines.Online, c.Redis.URL, Redis)
}

// namespaceForm is what a schema name and a key prefix may look like.
var namespaceForm = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)

// environmentForm is what an environment's name may look like.
var environmentForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,47}$`)

// validate names everything that is wrong.
func (c *Config) validate() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	oneOf := func(key, got string, known ...string) {
		wrong(!slices.Contains(known, got), "%s is %q: use %s", key, got, orList(known))
	}
	wrong(len(c.Roles) == 0, "roles is empty: use all, or some of %s", strings.Join(Roles, ", "))
	for _, role := range c.Roles {
		oneOf("roles", role, append([]string{All}, Roles...)...)
	}
	oneOf("engines.registry", c.Engines.Registry, Auto, SQLite, Postgres)
	oneOf("engines.offline", c.Engines.Offline, Auto, SQLite, Postgres)
	oneOf("engines.online", c.Engines.Online, Auto, SQLite, Redis)
	wrong(c.Postgres.URL == "" && c.Engines.Registry == Postgres, "engines.registry is postgres, but postgres.url is empty")
	wrong(c.Postgres.URL == "" && c.Engines.Offline == Postgres, "engines.offline is postgres, but postgres.url is empty")
	wrong(c.Redis.URL == "" && c.Engines.Online == Redis, "engines.online is redis, but redis.url is empty")
	errs = append(errs, c.Postgres.validate()...)
	errs = append(errs, c.Redis.validate()...)
	wrong(c.Environment != "" && !environmentForm.MatchString(c.Environment), "environment is %q: use lower-case letters, digits, _ and -, at most 48", c.Environment)
	wrong(c.ReadOnly && c.Embedded(), "read_only is true, but an engine is embedded, which is for one process that does everything: set postgres.url and redis.url")
	wrong(c.Embedded() && c.Data == "", "data is empty: name the folder for the embedded engines")
	for _, role := range Roles {
		if unknown := slices.ContainsFunc(c.Roles, func(r string) bool { return r != All && !slices.Contains(Roles, r) }); unknown {
			break // said already
		}
		if !c.Has(role) && c.Embedded() {
			wrong(true, "roles leaves out %s, but an engine is embedded, which is for one process that does everything: set postgres.url and redis.url, or roles to all", role)
			break
		}
	}
	wrong(!namespaceForm.MatchString(c.Postgres.Schema), "postgres.schema is %q: use lower-case letters, digits and _, at most 48", c.Postgres.Schema)
	wrong(strings.HasPrefix(c.Postgres.Schema, "pg_"), "postgres.schema is %q: PostgreSQL keeps names that begin with pg_ for itself; use another", c.Postgres.Schema)
	wrong(!namespaceForm.MatchString(c.Redis.Prefix), "redis.prefix is %q: use lower-case letters, digits and _, at most 48", c.Redis.Prefix)
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "text", "json")
	errs = append(errs, c.HTTP.validate(c.Auth.AllowUnauthenticated)...)
	errs = append(errs, c.Registry.Validate()...)
	errs = append(errs, c.Validation.Validate()...)
	errs = append(errs, c.Alerts.Validate()...)
	errs = append(errs, c.Store.Validate()...)
	errs = append(errs, c.History.Validate()...)
	errs = append(errs, c.Materialization.Validate()...)
	errs = append(errs, c.Batch.Validate()...)
	errs = append(errs, c.Scheduler.Validate()...)
	errs = append(errs, c.Runs.Validate()...)
	errs = append(errs, c.Web.Validate()...)
	return errs
}

const inPasswords = "%40 for an @, %3A for a :, %2F for a /, %3F for a ? and %23 for a # in the password"

// validate shows nothing of the URL: where it cannot be read, its password cannot be told from the rest.
func (c *PostgresServer) validate() []error {
	if c.URL == "" {
		return nil
	}
	_, err := pgconn.ParseConfig(c.URL.Reveal())
	var unreadable *fs.PathError
	switch {
	case err == nil && !c.URL.misread():
		return nil
	case errors.As(err, &unreadable):
		return []error{fmt.Errorf("postgres.url names the file %s, which cannot be read: %w", unreadable.Path, unreadable.Err)}
	}
	return []error{errors.New("postgres.url cannot be understood: write postgres://user:password@host:5432/database, " +
		"with " + inPasswords)}
}

// validate shows nothing of the URL, for the same reason.
func (c *RedisServer) validate() []error {
	if c.URL == "" {
		return nil
	}
	if _, err := rueidis.ParseURL(c.URL.Reveal()); err != nil || c.URL.misread() {
		return []error{errors.New("redis.url cannot be understood: write redis://user:password@host:6379/0, or rediss:// for TLS, " +
			"with " + inPasswords)}
	}
	return nil
}

// hostForm is what a name in a Host header may look like; addresses are told apart before.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)

func (c *HTTP) validate(open bool) []error {
	var errs []error
	if len(c.Listen) == 0 {
		errs = append(errs, fmt.Errorf("http.listen is empty: name at least one address, such as 127.0.0.1:8000"))
	}
	for _, address := range c.Listen {
		host, _, err := net.SplitHostPort(address)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("http.listen: %q is not an address: write host:port, such as 127.0.0.1:8000", address))
		case !open && !loopback(host):
			errs = append(errs, fmt.Errorf("http.listen: %s can be reached from other machines, and no access keys are asked for: "+
				"set auth.allow_unauthenticated to true if everyone who can reach it may read and write, or listen on 127.0.0.1", address))
		}
	}
	for _, host := range c.AllowedHosts {
		if net.ParseIP(strings.Trim(host, "[]")) == nil && !hostForm.MatchString(host) {
			errs = append(errs, fmt.Errorf("http.allowed_hosts: %q is not a name or an address: write it as callers do, without scheme, port and path, such as features.example.org", host))
		}
	}
	if c.Grace < 0 || c.Grace > 19*time.Second {
		errs = append(errs, fmt.Errorf("http.grace is %s: use 0s to 19s", c.Grace))
	}
	return errs
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
