package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Folder is where everything is that a run writes.
type Folder struct {
	Path string
	lock *os.File
}

// OpenFolder locks the folder for this run and removes what an earlier one left there. The lock
// ends with this program, however that ends.
func OpenFolder(path string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for data and logs cannot be made: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock of the folder for data and logs: %w", err)
	}
	f := &Folder{Path: path, lock: lock}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("another run uses %s: stop it first", path), lock.Close())
	}
	if err == nil {
		err = f.clear(func(string) bool { return true })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the folder %s: %w", path, err), lock.Close())
	}
	return f, nil
}

// Close unlocks the folder. Only the logs stay: the keys and the data are of a cluster that has
// ended.
func (f *Folder) Close() error {
	err := f.clear(func(name string) bool { return filepath.Ext(name) != ".log" })
	return errors.Join(err, f.lock.Close())
}

// File is the path of what has that name in the folder.
func (f *Folder) File(name string) string { return filepath.Join(f.Path, name) }

// clear removes what remove says, and never the lock: two runs could each hold one of that name.
func (f *Folder) clear(remove func(name string) bool) error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(f.lock.Name()) || !remove(e.Name()) {
			continue
		}
		if err := os.RemoveAll(f.File(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// tailLines is how much of each log is shown when something went wrong.
const tailLines = 12

// ShowLogs prints the end of every log.
func (f *Folder) ShowLogs(out io.Writer) {
	for _, path := range f.Logs() {
		content, err := os.ReadFile(path)
		if err != nil {
			content = []byte(err.Error())
		}
		_, _ = fmt.Fprintf(out, "\n--- the end of %s\n%s\n", path, tail(string(content), tailLines))
	}
}

// Logs are the paths of all logs.
func (f *Folder) Logs() []string {
	paths, _ := filepath.Glob(f.File("*.log")) // the only error is a malformed pattern
	return paths
}

// tail is the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
