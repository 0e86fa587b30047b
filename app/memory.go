package app

import (
	"os"
	"runtime"
	"runtime/debug"
)

// Garbage is collected when the heap has grown to four times what is alive, instead of twice: the live heap is some ten MB, so that the
// usual setting collects many times a second under load, for a tenth of all processor time. Towards softLimit, or half of what the process may
// use where that is less, the usual care returns.
const (
	heapGrowth = 300       // percent
	softLimit  = 256 << 20 // bytes
)

// onOneProcessor is how many threads run Go where there is one processor. With one thread, which Go takes from a goroutine only after 10 ms, each
// step of a request would wait for all goroutines that compute: some for a materialization, for a pipeline and for a training set. With a thread
// for each of them and another, the kernel, which shares the processor out in smaller pieces, lets the request go first.
const onOneProcessor = 8

// Tune sets the garbage collector and how many threads run Go, unless the environment does (GOGC, GOMEMLIMIT, GOMAXPROCS).
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimitOf(usableMemory()))
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(onOneProcessor)
	}
}

// ReturnMemory gives back what was needed to start and is not any more: the garbage, which would stay for minutes of idling with the collector as
// it is set, and those parts of the program that have been read. The kernel reads them again from the file as they are used.
func ReturnMemory() {
	runtime.GC() // what pools hold, 12 MB of buffers for migrations among it, is garbage to the second collection only
	debug.FreeOSMemory()
	returnProgram()
}
