package local

import (
	"context"

	"featurestore/modules/batch"
)

// Spool writes the events of a job, whose source is a group or files, into a Parquet file of its folder, for other readers: columns k0, k1 … of the join keys, event_us,
// seq, and c0, c1 … of the plan, of which times are numbers of µs. Faults are those of the source.
func Spool(ctx context.Context, places Places, job *batch.Job) (path string, err error) {
	into, err := newSpool(job.Plan, job.Folder)
	if err != nil {
		return "", err
	}
	if of := job.Plan.Source.Files; of != nil {
		root, files := "", []string(nil)
		if root, err = places.Root(of.Root); err == nil {
			if files, err = filesOf(root, of); err == nil {
				err = spoolFiles(ctx, job.Plan, files, into)
			}
		}
	} else {
		err = spoolGroup(ctx, job, into)
	}
	return into.path, into.end(err)
}
