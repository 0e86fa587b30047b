package app

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/config"
	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/batch/postgres"
	"featurestore/modules/batch/spark"
	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// pipelines computes them, and answers about them.
type pipelines struct {
	*batch.Runner
	previews    *batch.Previews
	definitions *registry.Registry
}

// newPipelines makes it of parts without engines. Where there is no data folder, what is computed stands in the system's folder for temporary files.
func newPipelines(c *config.Config, f *folder, parts batch.Parts, guards *validation.Guards) *pipelines {
	settings := c.Batch.Within(usableMemory())
	settings.Threads = min(settings.Threads, runtime.NumCPU())
	if settings.Folder == "" {
		settings.Folder = filepath.Join(os.TempDir(), "featurestore-batch")
		if f != nil {
			settings.Folder = f.file("batch")
		}
	}
	inPostgres, url := c.Engines.Offline == config.Postgres, ""
	if inPostgres {
		url = c.Postgres.URL.Reveal()
	}
	pushed := postgres.New(settings, inPostgres)
	sources := spark.Sources{Tables: pushed.Events, Spool: func(ctx context.Context, job *batch.Job) (*batch.Spooled, error) {
		return local.Spool(ctx, settings, job)
	}}
	parts.Engines = []batch.Engine{local.New(settings), pushed, spark.New(settings, url, sources)}
	runner := batch.NewRunner(settings, parts)
	return &pipelines{runner, batch.NewPreviews(settings, batch.PreviewParts{
		Definitions: parts.Definitions, Compiler: parts.Plans, Engines: parts.Engines, Folder: runner.Folder, Clock: parts.Clock,
		Events: func(ctx context.Context, group string) (batch.Snapshot, error) {
			return parts.Values.Events(ctx, group)
		},
		Verdicts: func(rows *store.Rows, now int64) []rules.Outcome { return batch.Verdicts(guards, rows, now) },
	}), parts.Definitions}
}

// routes mounts the calls.
func (p *pipelines) routes(api huma.API) {
	batch.DefinitionRoutes(api, p.definitions)
	p.previews.Routes(api)
	p.RunRoutes(api)
}
