package registry

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

var errName = errors.New("a name is 1 to 48 lower-case letters, digits and _, begins with a letter and has no __")

// CheckName answers nil for a well-formed name, else an error whose text says what a name must be.
func CheckName(name string) error {
	if !nameForm.MatchString(name) || strings.Contains(name, "__") {
		return errName
	}
	return nil
}

// columns that every group's table has beside its join keys and features, in one engine or another, or that SQLite or
// PostgreSQL keep for themselves.
var columns = []string{
	"event_time", "ingest_time", "ingest_id", "ingest_xid", "run_id", "schema_version", "presence",
	"rowid", "oid", "_rowid_",
	"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid",
}

// checkFeatureName is CheckName, and refuses the names that have a meaning of their own beside features.
func checkFeatureName(name string, joinKeys []JoinKey) error {
	if err := CheckName(name); err != nil {
		return err
	}
	switch {
	case slices.Contains(columns, name) || name == "event_timestamp" || name == "entity_id":
		return errors.New("the name is reserved")
	case slices.ContainsFunc(joinKeys, func(k JoinKey) bool { return k.Name == name }):
		return errors.New("the name is reserved: it is a join key of the entity type")
	}
	return nil
}

func checkJoinKeyName(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if slices.Contains(columns, name) || name == "event_timestamp" {
		return errors.New("the name is reserved")
	}
	return nil
}

// checkGroupName refuses what cannot be the name of a table.
func checkGroupName(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "sqlite_") {
		return errors.New("names that begin with sqlite_ are reserved")
	}
	return nil
}
