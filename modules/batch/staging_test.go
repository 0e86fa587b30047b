package batch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a process left that was killed is removed by the next that starts; what a living one has stays.
func TestStagingOfDeadProcessesIsRemoved(t *testing.T) {
	root := filepath.Join(t.TempDir(), "batch")
	living, err := openStaging(root)
	require.NoError(t, err)
	folder, err := living.folder("run-17")
	require.NoError(t, err)
	info, err := os.Stat(folder)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	killed, err := openStaging(root)
	require.NoError(t, err)
	left, err := killed.folder("run-18")
	require.NoError(t, err)
	require.NoError(t, killed.lock.Close()) // as a kill does

	third, err := openStaging(root)
	require.NoError(t, err)
	require.NoDirExists(t, left)
	require.NoDirExists(t, killed.path)
	require.DirExists(t, folder)
	require.NoError(t, third.close())
	require.NoDirExists(t, third.path)
	require.NoError(t, living.close())
}

// What an engine starts works in another folder than this process.
func TestStagingIsAtAnAbsolutePath(t *testing.T) {
	t.Chdir(t.TempDir())
	opened, err := openStaging("data/batch")
	require.NoError(t, err)
	defer opened.close()
	folder, err := opened.folder("run")
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(folder), folder)
}
