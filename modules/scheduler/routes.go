package scheduler

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// Routes mounts the module's calls.
func (s *Scheduler) Routes(api huma.API) {
	tags := []string{"scheduler"}
	httpapi.Register(api, huma.Operation{
		OperationID: "list-schedules", Method: http.MethodGet, Path: "/schedules", Tags: tags, Summary: "List the schedules in effect",
		Description: "Those that are defined, those of pipelines (pipeline:<name>), and defaults: a group that a pipeline feeds is materialized and validated after the " +
			"frequency of its features, once the pipeline has succeeded, unless a schedule is defined that does the same.",
	}, s.listSchedules)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-schedule", Method: http.MethodGet, Path: "/schedules/{name}", Tags: tags, Summary: "Read a schedule, its next ticks and what became of the last",
	}, s.getSchedule)
	httpapi.Register(api, huma.Operation{
		OperationID: "schedule-history", Method: http.MethodGet, Path: "/schedules/{name}/history", Tags: tags, Summary: "List what became of a schedule's ticks",
		Description: "The newest first. They are kept for scheduler.keep.",
	}, s.history)
	httpapi.Register(api, huma.Operation{
		OperationID: "run-schedule", Method: http.MethodPost, Path: "/schedules/{name}/run", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Do the work of a schedule now",
		Description: "Orders its runs for a tick of this moment and answers 202 with them; with wait, 200 once they have ended. Pipelines that it waits for otherwise, and a pause, do not matter; " +
			"runs with the same concurrency key come one after the other all the same.",
		Responses: httpapi.Answers[runAnswer](api, "The runs have ended; with dry_run what would be ordered"),
	}, s.run)
	httpapi.Register(api, huma.Operation{
		OperationID: "pause-schedule", Method: http.MethodPost, Path: "/schedules/{name}/pause", Tags: tags, Summary: "Pause a schedule",
		Description: "Ticks of the pause are not made up for. Runs that are ordered already go on. The definition stays as it is.",
	}, s.pause)
	httpapi.Register(api, huma.Operation{
		OperationID: "resume-schedule", Method: http.MethodPost, Path: "/schedules/{name}/resume", Tags: tags, Summary: "Resume a schedule with its next tick",
	}, s.resume)
	registry.DefinitionRoutes(api, s.definitions, registry.Calls[DefinitionAnswer]{Kind: kindSchedule, Path: "/schedules", Tag: "scheduler", Show: definitionAnswer, OwnGet: true,
		Doc: "what is done about subject: a pipeline, or a group; left out: all groups. When says cron (five fields, or @daily) on the clock of time_zone, or every, counted from 1970-01-01T00:00:00Z. " +
			"A local time that clocks skip is at the end of the gap, one that they show twice is at the first; each counts once."})
}
