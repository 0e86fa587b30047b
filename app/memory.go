package app

import (
	"os"
	"runtime/debug"
)

// Garbage is collected when the heap has grown to four times what is alive, instead of twice: the live heap is some ten MB, so that the
// usual setting collects many times a second under load, for a tenth of all processor time. Towards softLimit, or half of what the process may
// use where that is less, the usual care returns.
const (
	heapGrowth = 300       // percent
	softLimit  = 256 << 20 // bytes
)

// TuneMemory sets the garbage collector, unless the environment does (GOGC, GOMEMLIMIT).
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimitOf(usableMemory()))
	}
}

// ReturnMemory gives back what was needed to start and is not any more: the garbage, which would stay for minutes of idling with the collector as
// it is set, and those parts of the program that have been read. The kernel reads them again from the file as they are used.
func ReturnMemory() {
	debug.FreeOSMemory()
	returnProgram()
}
