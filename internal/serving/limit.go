package serving

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve is how many descriptors the server needs beside its connections: for
// loops, listeners, standard streams, and HTTP requests under way.
const reserve = 64

// RaiseFileLimit raises the soft limit of open files to the hard one and returns
// it.
func RaiseFileLimit() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("cannot read the limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			return l.Cur, nil // it serves with what it has
		}
	}
	return l.Max, nil
}

// Room is how many connections fit into a limit of open files.
func Room(files uint64) uint64 { return max(files, reserve) - reserve }
