package app

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// unlimited is what is no limit: control groups of version 1 say a number near to the largest one.
const unlimited = 1 << 60

// memoryOf is the memory in bytes that this process may use on a Linux system with these files: the machine's or, where that is less, what
// its control group, of version 1 or 2, and those around it are given. 0: it is not known.
func memoryOf(system fs.FS) int64 {
	limit := int64(unlimited)
	found := func(bytes int64) {
		if bytes > 0 {
			limit = min(limit, bytes)
		}
	}
	for line := range lines(system, "proc/meminfo") { // MemTotal:        1004500 kB
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			found(kb << 10)
		}
	}
	for line := range lines(system, "proc/self/cgroup") { // 0::/system.slice/featurestore.service, or 4:memory:/docker/…
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case strings.Contains(","+fields[1]+",", ",memory,"):
			root, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the group may be seen as the root, whatever its name is outside: so a folder that is missing is none of an error.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			for limit := range lines(system, path.Join(root, group, file)) {
				bytes, _ := strconv.ParseInt(strings.TrimSpace(limit), 10, 64) // "max" is no number
				found(bytes)
			}
			if group == "/" {
				break
			}
		}
	}
	if limit == unlimited {
		return 0
	}
	return limit
}

// lines are those of a file, none where it cannot be read.
func lines(system fs.FS, name string) func(func(string) bool) {
	content, _ := fs.ReadFile(system, name)
	return strings.Lines(string(content))
}

// softLimitOf is what the garbage collector keeps to in so much memory: half of it, since as much again is used beside Go's heap, by SQLite and
// DuckDB and by the stacks and buffers of a busy server.
func softLimitOf(memory int64) int64 {
	if memory == 0 {
		memory = math.MaxInt64
	}
	return min(softLimit, memory/2)
}
