package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// streams are the pipes that a program writes to, and what reads them.
type streams struct {
	stdout, stderr *os.File   // the program's ends; the same one, unless its output goes elsewhere
	reading        []*os.File // ours
	done           sync.WaitGroup
	mu             sync.Mutex
	err            error // of taking its output
}

// open makes the pipes and begins to read them.
func open(stdout io.Writer, output *lines) (*streams, error) {
	s := &streams{}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.stdout, s.stderr, s.reading = to, to, []*os.File{from}
	if stdout != nil {
		out, in, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, from.Close(), to.Close())
		}
		s.stdout, s.reading = in, append(s.reading, out)
		s.done.Go(func() {
			_, err := io.Copy(stdout, out)
			if err != nil && !errors.Is(err, fs.ErrClosed) {
				s.mu.Lock()
				s.err = fmt.Errorf("take its output: %w", err)
				s.mu.Unlock()
			}
			_ = out.Close() // the program hears that nobody reads
		})
	}
	s.done.Go(func() { output.read(from) })
	return s, nil
}

func (s *streams) closeWriters() {
	_ = s.stdout.Close()
	_ = s.stderr.Close() // of one that is closed already: nothing
}

func (s *streams) closeReaders() {
	for _, file := range s.reading {
		_ = file.Close()
	}
}

// close gives up before anything was started.
func (s *streams) close() {
	s.closeWriters()
	s.done.Wait()
	s.closeReaders()
}

// drain reads what is left in the pipes. A process that left the group may hold them open: it is not waited for longer than so long, and if
// the program's output goes elsewhere, that it may not be whole is an error.
func (s *streams) drain(wait time.Duration) error {
	timer := time.AfterFunc(wait, s.closeReaders)
	s.done.Wait()
	cut := !timer.Stop()
	s.closeReaders()
	if cut && s.err == nil && len(s.reading) > 1 {
		return errors.New("something that it started holds its output open")
	}
	return s.err
}

// lines gives what is read on, line by line.
type lines struct {
	give func(string)
	last string // that was not empty; to be read after the end
}

func (l *lines) read(from io.Reader) {
	buffered := bufio.NewReaderSize(from, lineLimit)
	for {
		text, err := buffered.ReadSlice('\n')
		line := strings.TrimRight(string(text), "\r\n")
		if strings.TrimSpace(line) != "" {
			l.last = line
		}
		if l.give != nil && len(text) > 0 {
			l.give(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
