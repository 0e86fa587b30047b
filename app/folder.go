package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is the data folder of the embedded engines, locked for this process: two would write the same files.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder if it is not there, and locks it.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, refuse("the data folder %s cannot be made: %v", path, err)
	}
	name := filepath.Join(path, "lock")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, refuse("the data folder %s cannot be used: %v", path, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, refuse("the data folder %s cannot be locked: %v", path, err)
		}
		holder := make([]byte, 20)
		n, _ := file.Read(holder)
		return nil, refuse("another featurestore process%s works on the data folder %s: stop it, or name another folder with --data",
			number(string(holder[:n])), path)
	}
	if err := errors.Join(file.Truncate(0), writeAll(file, fmt.Sprintln(os.Getpid()))); err != nil {
		file.Close()
		return nil, refuse("the data folder %s cannot be written: %v", path, err)
	}
	return &folder{path, file}, nil
}

func number(text string) string {
	if text = strings.TrimSpace(text); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func writeAll(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// file is the path of one of the folder's files.
func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// close gives the folder free.
func (f *folder) close() error { return f.lock.Close() }
