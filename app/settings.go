package app

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/database"
	"featurestore/app/httpapi"
	"featurestore/config"
)

type settingsOutput struct {
	Body struct {
		Environment string          `json:"environment" doc:"Whose data this is; empty: it has no name"`
		Roles       []string        `json:"roles" doc:"What this process does, in the order of the settings"`
		ReadOnly    bool            `json:"read_only" doc:"It changes nothing"`
		Settings    []settingAnswer `json:"settings" doc:"All that are in effect in this process, in the order of featurestore config --defaults"`
	}
}

// settingAnswer is a setting as featurestore config shows it.
type settingAnswer struct {
	Key     string `json:"key" example:"store.max_rows"`
	Value   string `json:"value" doc:"As YAML; secrets are masked" example:"10000"`
	Default string `json:"default" doc:"The same of the default"`
	Differs bool   `json:"differs" doc:"It is another than the default"`
}

type migrationsOutput struct {
	Body struct {
		Engine     string            `json:"engine" enum:"sqlite,postgres" doc:"Of the database of definitions and runs"`
		Level      int               `json:"level" doc:"Of the form of the data that this program writes; a database keeps programs of lower levels out that would do harm"`
		Migrations []migrationAnswer `json:"migrations" doc:"By module"`
	}
}

type migrationAnswer struct {
	Module  string    `json:"module"`
	Version int64     `json:"version" doc:"Of the last migration of its tables that ran"`
	At      time.Time `json:"at" doc:"When it did"`
}

// mountSettings mounts what a process says of how it is set and of the database that it shares. Every process does: its settings are its own.
func (a *App) mountSettings(api huma.API) {
	tags := []string{"Process"}
	answer := sync.OnceValues(func() (*settingsOutput, error) { // they change with the next start only
		list, err := a.config.List()
		if err != nil {
			return nil, err
		}
		out := &settingsOutput{}
		out.Body.Environment, out.Body.ReadOnly = a.config.Environment, a.config.ReadOnly
		for _, role := range config.Roles {
			if a.config.Has(role) {
				out.Body.Roles = append(out.Body.Roles, role)
			}
		}
		for _, s := range list {
			out.Body.Settings = append(out.Body.Settings, settingAnswer{s.Key, s.Value, s.Default, s.Differs()})
		}
		return out, nil
	})
	httpapi.Register(api, huma.Operation{
		OperationID: "settings", Method: http.MethodGet, Path: "/settings", Tags: tags,
		Summary:     "How is this process set?",
		Description: "Every setting with its value and its default, as featurestore config shows them. Passwords are masked. Each process answers its own.",
	}, func(context.Context, *struct{}) (*settingsOutput, error) { return answer() })
	httpapi.Register(api, huma.Operation{
		OperationID: "migrations", Method: http.MethodGet, Path: "/migrations", Tags: tags,
		Summary: "How far have the tables of definitions and runs been brought?",
	}, a.migrations)
}

func (a *App) migrations(ctx context.Context, _ *struct{}) (*migrationsOutput, error) {
	found, err := database.Migrations(ctx, a.db)
	if err != nil {
		return nil, err
	}
	out := &migrationsOutput{}
	out.Body.Engine, out.Body.Level = a.config.Engines.Registry, database.Level
	out.Body.Migrations = make([]migrationAnswer, len(found))
	for i, m := range found {
		out.Body.Migrations[i] = migrationAnswer(m)
	}
	return out, nil
}
