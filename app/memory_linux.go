package app

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// usableMemory is the memory that this process may use; 0: it is not known.
func usableMemory() int64 { return memoryOf(os.DirFS("/")) }

// returnProgram advises the kernel to take the pages that the program's file is mapped to, where nothing is written. It is advice: what goes wrong
// makes no difference to anything but memory.
func returnProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) { // 00400000-0723d000 r-xp 00000000 fe:00 123 /usr/bin/featurestore
		fields := strings.Fields(line)
		if len(fields) < 6 || strings.Contains(fields[1], "w") || strings.Join(fields[5:], " ") != program {
			continue
		}
		var begin, end uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &begin, &end); err != nil || end <= begin {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_PAGEOUT)
	}
}
