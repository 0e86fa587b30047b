package app

import (
	"runtime"
	"runtime/debug"
)

// Version says which program this is.
type Version struct {
	Version  string `json:"version" doc:"The release, or (devel)"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty" doc:"Built from a tree with changes that are in no commit"`
	Go       string `json:"go"`
}

// ThisVersion is that of this program, as the Go tool recorded it.
func ThisVersion() Version {
	v := Version{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
