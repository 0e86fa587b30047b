package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

func TestFilesOfAPattern(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{"a/1.csv", "a/2.csv", "a/x.parquet", "a/b/3.csv", "c/4.csv", "5.csv", "a/[odd].csv"} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x\n"), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "6.csv"), []byte("x\n"), 0o600))
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"5.csv", []string{"5.csv"}},
		{"a/*.csv", []string{"a/1.csv", "a/2.csv", "a/[odd].csv"}},
		{"a/?.csv", []string{"a/1.csv", "a/2.csv"}},
		{"*/4.csv", []string{"c/4.csv"}},
		{"**/*.csv", []string{"5.csv", "a/1.csv", "a/2.csv", "a/[odd].csv", "a/b/3.csv", "c/4.csv"}},
		{"a/**/*.csv", []string{"a/1.csv", "a/2.csv", "a/[odd].csv", "a/b/3.csv"}},
		{"**", []string{"5.csv", "a/1.csv", "a/2.csv", "a/[odd].csv", "a/b/3.csv", "a/x.parquet", "c/4.csv"}},
	} {
		found, err := filesOf(root, &batch.Files{Root: "r", Pattern: c.pattern})
		require.NoError(t, err, c.pattern)
		names := []string{}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			require.NoError(t, err)
			names = append(names, name)
		}
		require.ElementsMatch(t, c.want, names, c.pattern)
	}

	require.NoError(t, os.Symlink(filepath.Join(root, "5.csv"), filepath.Join(root, "c", "inside.csv")))
	found, err := filesOf(root, &batch.Files{Root: "r", Pattern: "c/inside.csv"})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(root, "5.csv")}, found)

	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "6.csv"), filepath.Join(root, "c", "out.csv")))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(root, "link")))
	for pattern, slug := range map[string]string{
		"c/out.csv": "outside-root", "../*.csv": "outside-root", "a/../../*/6.csv": "outside-root", "/etc/passwd": "outside-root",
		"link/6.csv": "no-files", "**/6.csv": "no-files", "d/*.csv": "no-files",
	} {
		_, err := filesOf(root, &batch.Files{Root: "r", Pattern: pattern})
		require.True(t, fault.Is(err, slug), "%s: %v", pattern, err)
	}
}

// TestLockedDatabase shows that SQL that the gate had let through by mistake would reach nothing.
func TestLockedDatabase(t *testing.T) {
	ctx, folder, elsewhere := context.Background(), t.TempDir(), t.TempDir()
	source := filepath.Join(elsewhere, "source.parquet")
	d, err := open(&batch.Job{Folder: folder, Threads: 1})
	require.NoError(t, err)
	defer d.close()
	require.NoError(t, d.exec(ctx, "COPY (SELECT 1 AS x) TO '"+source+"'"))
	require.NoError(t, d.exec(ctx, "COPY (SELECT 1 AS x) TO '"+filepath.Join(elsewhere, "secret.parquet")+"'"))
	require.NoError(t, d.lock(ctx, []string{source}, []string{folder}))
	require.NoError(t, d.exec(ctx, "SELECT * FROM read_parquet('"+source+"')"))
	require.NoError(t, d.exec(ctx, "COPY (SELECT 1 AS x) TO '"+filepath.Join(folder, "rows.parquet")+"'"))
	for _, refused := range []string{
		"SELECT * FROM read_parquet('" + filepath.Join(elsewhere, "secret.parquet") + "')",
		"SELECT * FROM '" + filepath.Join(folder, "..", filepath.Base(elsewhere), "secret.parquet") + "'",
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM glob('/etc/*')",
		"COPY (SELECT 1) TO '" + filepath.Join(elsewhere, "out.csv") + "'",
		"ATTACH '" + filepath.Join(elsewhere, "other.db") + "'",
		"INSTALL httpfs",
		"LOAD httpfs",
		"SET enable_external_access = true",
		"SET memory_limit = '100GB'",
		"PRAGMA threads = 64",
	} {
		require.Error(t, d.exec(ctx, refused), refused)
	}
}
