package runs

import (
	"context"
	"time"

	"featurestore/app/database"
)

// forget removes the runs that finished longer ago than they are kept, except of each kind and subject the newest ones and the newest that
// succeeded: what a pipeline last came to can be read however long ago it was.
//
// One with a Unique is kept for a month at least, so that what is asked for once more after a long pause is not done once more.
func (r *Runs) forget(ctx context.Context) error {
	now := r.clock()
	return r.repository.forget(ctx, now.Add(-r.config.Keep), now.Add(-max(r.config.Keep, keepUnique)), r.config.KeepNewest)
}

const keepUnique = 30 * 24 * time.Hour

func (r repository) forget(ctx context.Context, before, uniqueBefore time.Time, newest int) error {
	return r.db.WithContext(ctx).Exec("DELETE FROM runs WHERE id IN (SELECT id FROM ("+
		"SELECT id, finished_at, unique_key, to_tell, row_number() OVER (PARTITION BY kind, subject ORDER BY id DESC) AS place,"+
		" max(CASE WHEN state = 'succeeded' THEN id END) OVER (PARTITION BY kind, subject) AS success FROM runs) r"+
		" WHERE finished_at < ? AND place > ? AND (success IS NULL OR id <> success) AND NOT to_tell AND (unique_key = '' OR finished_at < ?))",
		database.MicrosOf(before), newest, database.MicrosOf(uniqueBefore)).Error
}
