package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fileLock locks a SQLite file for one process. Two servers on one database would not notify each
// other's clients of messages, and each would count attempts, rates and presence by itself.
type fileLock struct{ file *os.File }

// lockFile locks a file beside the database, which is never removed. The lock ends with its process,
// however the process ends. The database itself cannot be used for this, because SQLite's own locks
// would be lost when another descriptor of the file is closed. path must have no symbolic links, so
// that there is one lock for all names of the database.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot create the lock file beside the database: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server has the database open%s; stop that server, or use another file or PostgreSQL", holder(f))
		}
		return nil, fmt.Errorf("cannot lock %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid()) // for people only
	}
	return &fileLock{f}, nil
}

// holder names the process that holds the lock, if it is known.
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
