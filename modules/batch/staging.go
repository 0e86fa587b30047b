package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// staging is where the runs of this process keep what they have computed until it is published: a folder inside of the configured one, of
// which this process holds the lock as long as it lives. Those whose lock nobody holds are what processes left that were killed.
type staging struct {
	path string
	lock *os.File
}

const (
	stagingLock   = "lock"
	stagingPrefix = "process-"
)

// openStaging makes this process's folder, and removes those of processes that are gone. Only this user can look into it.
func openStaging(root string) (_ *staging, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the folder %s for what pipelines compute cannot be used: %w", root, err)
		}
	}()
	if root, err = filepath.Abs(root); err != nil { // engines start programs that work elsewhere
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	opening, err := lockFile(filepath.Join(root, stagingLock), syscall.LOCK_EX) // so that no folder is seen before it is locked
	if err != nil {
		return nil, err
	}
	defer opening.Close()
	if err := removeDead(root); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(root, stagingPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(path, stagingLock), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil, err
	}
	return &staging{path: path, lock: lock}, nil
}

func removeDead(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), stagingPrefix) {
			continue
		}
		path := filepath.Join(root, e.Name())
		lock, err := lockFile(filepath.Join(path, stagingLock), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue // it lives
		}
		if err != nil {
			return err
		}
		if err := errors.Join(os.RemoveAll(path), lock.Close()); err != nil {
			return err
		}
	}
	return nil
}

func lockFile(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), how); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// folder makes an empty folder for a piece of work. Whoever has it removes it.
func (s *staging) folder(work string) (string, error) {
	path, err := os.MkdirTemp(s.path, work+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for what is computed: %w", err)
	}
	return path, nil
}

// close removes the folder and all that is left in it.
func (s *staging) close() error { return errors.Join(os.RemoveAll(s.path), s.lock.Close()) }
