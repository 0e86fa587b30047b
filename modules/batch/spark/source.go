package spark

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

// source says in the spec how the events are read from a PostgreSQL, and calls run while they are there.
func (e *Engine) source(ctx context.Context, job *batch.Job, w *work, run func(ctx context.Context) error) error {
	var running error
	err := e.sources.Tables(ctx, job, func(ctx context.Context, tx pgx.Tx, query string) error {
		if running = e.database(ctx, tx, job, w, query); running == nil {
			running = run(ctx)
		}
		return running
	})
	if running != nil {
		return running
	}
	return err
}

// database says in the spec how a query is read from the database of a transaction: in parts, all of which see the snapshot that the transaction sees.
func (e *Engine) database(ctx context.Context, tx pgx.Tx, job *batch.Job, w *work, query string) error {
	address, connection := e.offline, ""
	if table := job.Plan.Source.Table; table != nil {
		var err error
		if connection = table.Connection; connection != "" {
			if address, err = e.config.URL(connection); err != nil {
				return err
			}
		}
	}
	var snapshot, user string
	err := tx.QueryRow(ctx, "SELECT pg_export_snapshot(), current_user, set_config('idle_in_transaction_session_timeout', '0', true)").Scan(&snapshot, &user, new(string))
	if err != nil {
		return fmt.Errorf("export the snapshot: %w", err)
	}
	config := tx.Conn().Config()
	if strings.HasPrefix(config.Host, "/") {
		return fault.New(fault.Unprocessable, "source-unreachable", "Spark reads PostgreSQL by TCP, and the connection %s is a socket: give its host and port", connection).
			At("source.connection", connection, "is no address that Spark can reach")
	}
	w.password = config.Password
	w.spec.Source = source{JDBC: addressOf(config, address), User: config.User, Query: "(" + query + "\n) AS q"}
	session := []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
		"SET TRANSACTION SNAPSHOT " + batch.PostgreSQL.Text(snapshot),
		"SET LOCAL statement_timeout = " + strconv.FormatInt(job.Timeout.Milliseconds(), 10),
		"SET LOCAL TimeZone = 'UTC'",
	}
	if user != config.User {
		session = append(session, "SET LOCAL ROLE "+batch.PostgreSQL.Quote(user))
	}
	w.spec.Source.Session = strings.Join(session, "; ")
	parts := max(job.Threads, 1)
	for i := range parts {
		w.spec.Source.Parts = append(w.spec.Source.Parts, fmt.Sprintf("mod(mod(abs(%s) / 1000000, %d), %d) = %d", timeOf, spread, parts, i))
	}
	if again(job) {
		keep := below(w.folder, "source")
		w.spec.Source.Keep = &keep
	}
	return nil
}

// spread is a prime that has nothing in common with the lengths of days and hours, so that parts by its remainders are alike in size.
const spread = 1_000_003

// addressOf is the URL of a connection for JDBC, without user and password. What the driver of Go does about TLS, that of Java does too.
func addressOf(config *pgx.ConnConfig, address string) string {
	options := url.Values{}
	switch {
	case config.TLSConfig == nil && len(config.Fallbacks) == 0:
		options.Set("sslmode", "disable")
	case len(config.Fallbacks) > 0:
		options.Set("sslmode", "prefer")
	case config.TLSConfig.InsecureSkipVerify && config.TLSConfig.VerifyPeerCertificate == nil:
		options.Set("sslmode", "require")
	case config.TLSConfig.InsecureSkipVerify:
		options.Set("sslmode", "verify-ca")
	default:
		options.Set("sslmode", "verify-full")
	}
	if given, err := url.Parse(address); err == nil {
		for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
			if file := given.Query().Get(name); file != "" {
				options.Set(name, file)
			}
		}
	}
	for _, name := range []string{"options", "search_path"} {
		if text := config.RuntimeParams[name]; text != "" {
			options.Set(map[string]string{"options": "options", "search_path": "currentSchema"}[name], text)
		}
	}
	return "jdbc:postgresql://" + net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + url.PathEscape(config.Database) + "?" + options.Encode()
}
