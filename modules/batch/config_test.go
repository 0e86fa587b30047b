package batch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheMemoryOfAnEngineFitsThatOfTheProcess(t *testing.T) {
	for memory, want := range map[int64]int64{0: 512 << 20, 64 << 30: 512 << 20, 2 << 30: 512 << 20, 1 << 30: 256 << 20, 352 << 20: 88 << 20, 128 << 20: 64 << 20} {
		require.Equal(t, want, DefaultConfig().Within(memory).MemoryBytes, "in %d", memory)
	}
	said := Config{MemoryBytes: 300 << 20}
	require.Equal(t, said, said.Within(1<<30))
}
