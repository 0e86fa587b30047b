package local

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

// filesOf are the files below a root that a pattern names, by their paths without links, in the order of their names. None is outside of the root,
// whatever links say.
func filesOf(root string, of *batch.Files) ([]string, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, missing(of, "the root %s cannot be read", of.Root).Because(err)
	}
	pattern := strings.Split(of.Pattern, "/")
	if path.IsAbs(of.Pattern) || slices.Contains(pattern, "..") {
		return nil, outside(of, of.Pattern)
	}
	var found []string
	err = filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return missing(of, "a folder of the root %s cannot be read", of.Root).Because(err)
		}
		name, err := filepath.Rel(root, at)
		if err != nil {
			return fmt.Errorf("find files of %s: %w", of.Root, err)
		}
		parts := strings.Split(filepath.ToSlash(name), "/")
		if entry.IsDir() {
			if at != root && !couldHold(pattern, parts) {
				return fs.SkipDir
			}
			return nil
		}
		if !matches(pattern, parts) {
			return nil
		}
		real, err := filepath.EvalSymlinks(at)
		if err != nil {
			return missing(of, "%s leads to no file", name).Because(err)
		}
		if real != at && !strings.HasPrefix(real, root+string(filepath.Separator)) {
			return outside(of, name)
		}
		found = append(found, real)
		return nil
	})
	if err == nil && len(found) == 0 {
		err = missing(of, "no file matches %s", of.Pattern)
	}
	return found, err
}

// matches tells whether a path is one that a pattern names: path.Match of each part, and ** for any number of folders.
func matches(pattern, parts []string) bool {
	switch {
	case len(pattern) == 0:
		return len(parts) == 0
	case pattern[0] == "**":
		return matches(pattern[1:], parts) || len(parts) > 0 && matches(pattern, parts[1:])
	case len(parts) == 0:
		return false
	}
	ok, err := path.Match(pattern[0], parts[0])
	return ok && err == nil && matches(pattern[1:], parts[1:])
}

// couldHold tells whether what a pattern names could be in a folder.
func couldHold(pattern, folder []string) bool {
	switch {
	case len(folder) == 0 || len(pattern) > 0 && pattern[0] == "**":
		return true
	case len(pattern) == 0:
		return false
	}
	ok, err := path.Match(pattern[0], folder[0])
	return ok && err == nil && couldHold(pattern[1:], folder[1:])
}

func missing(of *batch.Files, format string, arguments ...any) *fault.Error {
	return fault.New(fault.Unprocessable, "no-files", format, arguments...).At("source.files", of.Pattern, "names no files that can be read")
}

func outside(of *batch.Files, name string) *fault.Error {
	return fault.New(fault.Unprocessable, "outside-root", "%s leads out of the root %s", name, of.Root).At("source.files", of.Pattern, "files must lie below the root")
}
