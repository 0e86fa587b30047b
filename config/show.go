package config

import (
	"fmt"
	"strings"
)

// Show writes the settings in effect as YAML, secrets masked; what is not the default says where it comes from.
func (l *Loaded) Show() string {
	var out strings.Builder
	section := ""
	for _, s := range settings(&l.Config) {
		indent, name := "", s.key
		if within, key, ok := strings.Cut(s.key, "."); ok {
			if within != section {
				fmt.Fprintf(&out, "%s:\n", within)
			}
			section, indent, name = within, "  ", key
		}
		fmt.Fprintf(&out, "%s%s: %s", indent, name, s.show())
		if origin := l.origins[s.key]; origin != "" {
			fmt.Fprintf(&out, " # %s", origin)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
