package runs

import (
	"context"
	"time"

	"featurestore/app/database"
)

// forget removes the runs that finished longer ago than they are kept, except of each kind and subject the newest ones and the newest that
// succeeded: what a pipeline last came to can be read however long ago it was.
func (r *Runs) forget(ctx context.Context) error {
	return r.repository.forget(ctx, r.clock().Add(-r.config.Keep), r.config.KeepNewest)
}

func (r repository) forget(ctx context.Context, before time.Time, newest int) error {
	return r.db.WithContext(ctx).Exec("DELETE FROM runs WHERE id IN (SELECT id FROM ("+
		"SELECT id, finished_at, row_number() OVER (PARTITION BY kind, subject ORDER BY id DESC) AS place,"+
		" max(CASE WHEN state = 'succeeded' THEN id END) OVER (PARTITION BY kind, subject) AS success FROM runs) r"+
		" WHERE finished_at < ? AND place > ? AND (success IS NULL OR id <> success)) AND NOT to_tell", database.MicrosOf(before), newest).Error
}
