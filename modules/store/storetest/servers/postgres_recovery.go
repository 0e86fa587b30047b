package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Archiving are the settings of a cluster that can be restored to a point of its past: its log is kept beside its data.
func Archiving() []string {
	return []string{"wal_level=replica", "archive_mode=on", "archive_command='mkdir -p ../archive && cp %p ../archive/%f'"}
}

// Backup copies the data of a cluster with Archiving, which it stops and starts again.
func (s *PostgresServer) Backup() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return errors.Join(s.replace("backup", "data"), s.Start())
}

// Mark names this moment, for RestoreTo.
func (s *PostgresServer) Mark(name string) error {
	return s.do(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_create_restore_point($1)", name)
		return err
	})
}

// RestoreTo puts the backup in the place of the data and replays the log up to the moment of that name, from where the cluster goes on in a
// new timeline. The cluster may run or not; it runs afterwards.
func (s *PostgresServer) RestoreTo(name string) error {
	if err := errors.Join(s.Stop(), s.replace("data", "backup")); err != nil {
		return err
	}
	data := filepath.Join(s.folder, "data")
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, "restore_command='cp ../archive/%%f %%p'\nrecovery_target_name='%s'\nrecovery_target_action=promote\n", name)
	signal := filepath.Join(data, "recovery.signal")
	if err := errors.Join(err, conf.Close(), os.WriteFile(signal, nil, 0o600)); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(signal, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	if err := s.Start(); err != nil {
		return err
	}
	for recovering, tried := true, 0; recovering; tried++ {
		err := s.do(func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering)
		})
		if err != nil || tried == 3000 {
			return errors.Join(err, errors.New("the cluster does not end its recovery"))
		}
		if recovering {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// replace makes one folder of the server a copy of another, with its owner and rights.
func (s *PostgresServer) replace(folder, by string) error {
	folder, by = filepath.Join(s.folder, folder), filepath.Join(s.folder, by)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if output, err := exec.Command("cp", "-a", by, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w: %s", by, err, output)
	}
	return nil
}

func (s *PostgresServer) do(work func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	return errors.Join(work(ctx, conn), conn.Close(ctx))
}
