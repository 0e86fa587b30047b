package alerts

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/modules/registry"
)

// ReceiverDefinitionAnswer is a receiver as it is defined. Where it is stands in a file or a variable, whose name alone is shown.
type ReceiverDefinitionAnswer struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Kind        string    `json:"kind" enum:"webhook,slack,email"`
	URLFile     string    `json:"url_file" doc:"The file that holds its address, or url_env"`
	URLEnv      string    `json:"url_env"`
	SecretFile  string    `json:"secret_file" doc:"The file that holds what bodies are signed with, or of e-mail the password; or secret_env"`
	SecretEnv   string    `json:"secret_env"`
	To          []string  `json:"to" doc:"Of e-mail: who gets it"`
	Owners      []string  `json:"owners" doc:"Only what these own; empty: of all owners"`
	MinSeverity string    `json:"min_severity" doc:"Nothing below; empty: warn"`
	Groups      []string  `json:"groups" doc:"Only of these groups; empty: of all"`
	Version     int       `json:"version" doc:"Of the definition; every accepted change makes the next"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// DefinitionRoutes mounts the calls by which receivers are defined; definitions knows ReceiverKind.
func DefinitionRoutes(api huma.API, definitions *registry.Registry) {
	registry.DefinitionRoutes(api, definitions, registry.Calls[ReceiverDefinitionAnswer]{Kind: "receiver", Path: "/receivers", Tag: "Receivers",
		Doc: "Addresses and secrets stand in files or environment variables, which are read with each try.",
		Show: func(_ *registry.Catalog, d *registry.Definition) ReceiverDefinitionAnswer {
			answer := ReceiverDefinitionAnswer{Name: d.Name, Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
			_ = json.Unmarshal(d.Document, &answer) // the registry wrote it, with members of these names
			return answer
		}})
}
