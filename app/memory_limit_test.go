package app

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestTheMemoryThatAProcessMayUse(t *testing.T) {
	const machine = "MemTotal:        1000000 kB\nMemFree:          10000 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is known":          {nil, 0},
		"the machine's":             {map[string]string{"proc/meminfo": machine}, 1_000_000 << 10},
		"groups without a limit":    {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 1_000_000 << 10},
		"its group's, version 2":    {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "201326592\n"}, 192 << 20},
		"the group's around it":     {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"as a container sees it":    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"named as on the outside":   {map[string]string{"proc/self/cgroup": "0::/../../kubepods/x\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"its group's, version 1":    {map[string]string{"proc/self/cgroup": "9:pids:/x\n4:cpu,memory:/x:y\n", "sys/fs/cgroup/memory/x:y/memory.limit_in_bytes": "1048576\n"}, 1 << 20},
		"no limit of version 1":     {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"more than the machine has": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "8589934592\n"}, 1_000_000 << 10},
		"nonsense":                  {map[string]string{"proc/meminfo": "MemTotal: much kB\n", "proc/self/cgroup": "0\n::\n\n", "sys/fs/cgroup/memory.max": "-1\n"}, 0},
	} {
		files := fstest.MapFS{}
		for path, content := range c.files {
			files[path] = &fstest.MapFile{Data: []byte(content)}
		}
		require.Equal(t, c.want, memoryOf(files), name)
	}
}

func TestTheCollectorKeepsToHalfOfTheMemory(t *testing.T) {
	require.Equal(t, int64(softLimit), softLimitOf(0))
	require.Equal(t, int64(softLimit), softLimitOf(8<<30))
	require.Equal(t, int64(96<<20), softLimitOf(192<<20))
}
