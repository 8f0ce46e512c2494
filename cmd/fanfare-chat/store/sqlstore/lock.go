package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fileLock has a SQLite file for one process alone. What is said at one server is not
// heard at another, and each would count attempts, rates and who is there by itself.
type fileLock struct{ file *os.File }

// lockFile locks a file beside the database, which stays there: a lock ends with its
// process, however that ends. The database itself is left to SQLite, whose own locks would
// be lost if another descriptor of it were closed. path must be without symbolic links, so
// that there is one lock by whatever name the database is opened.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock beside the database cannot be made: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server has it open%s; stop that one first, or use another file or PostgreSQL", holder(f))
		}
		return nil, fmt.Errorf("the lock beside the database, %s, cannot be had: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid()) // for people alone
	}
	return &fileLock{f}, nil
}

// holder says which process has the lock, as far as it is known.
func holder(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

func (l *fileLock) Close() error { return l.file.Close() }

// realPath returns the path of a file that exists, without symbolic links.
func realPath(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
