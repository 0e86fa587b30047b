package registry

import "encoding/json"

// Plan is what a change does, or with DryRun would do.
type Plan struct {
	DryRun          bool       `json:"dry_run" doc:"Whether this is only what would be done"`
	Created         []Named    `json:"created" doc:"Definitions that are new"`
	Changed         []Change   `json:"changed" doc:"Definitions that change, member by member"`
	Deleted         []Named    `json:"deleted" doc:"Definitions that are deleted"`
	Breaking        []Breaking `json:"breaking" doc:"Changes that break what is stored or reads it; they are refused, unless they are of a value type and allow_breaking allows them"`
	Unchanged       []Named    `json:"unchanged" doc:"Definitions that were named and are so already"`
	ShortNamesTaken []Taken    `json:"short_names_taken" doc:"Features that are reached by group:feature only, because another had their name first"`
	NotNamed        []Named    `json:"not_named" doc:"Definitions that the file does not name; they stay"`
}

// Change is a definition that changes.
type Change struct {
	Kind    string         `json:"kind"`
	Name    string         `json:"name"`
	Version int            `json:"version" doc:"The version that this makes"`
	Members []MemberChange `json:"members"`
}

// Breaking is a change that is refused, or was allowed although it breaks something.
type Breaking struct {
	Kind    string          `json:"kind"`
	Name    string          `json:"name"`
	Member  string          `json:"member"`
	From    json.RawMessage `json:"from"`
	To      json.RawMessage `json:"to"`
	Readers []Named         `json:"readers" doc:"What it breaks; empty if only the values that are stored. What names a version goes on reading what that version had, and is not among them"`
	Allowed bool            `json:"allowed" doc:"Whether it is done"`
	Text    string          `json:"text" doc:"What it comes to, or why it is refused"`
}

// Taken is a short name that another feature of the entity type had first.
type Taken struct {
	ShortName string `json:"short_name"`
	Feature   string `json:"feature" doc:"The feature that does not get it"`
	BelongsTo string `json:"belongs_to" doc:"The feature that it leads to"`
}
