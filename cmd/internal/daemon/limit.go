package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve is the number of descriptors that the server needs beside its connections: for loops, listeners, standard
// streams, and the places, at most 64, in which it answers health checks when it is full.
const reserve = 128

// minFiles is the smallest useful limit of open files: the reserve and the same number of connections.
const minFiles = 2 * reserve

// RaiseFileLimit raises the soft limit of open files to the hard limit and returns it. It fails if that leaves no room
// for connections.
func RaiseFileLimit() (uint64, error) {
	files, err := raise()
	if err == nil && files < minFiles {
		err = fmt.Errorf("the limit of open files is %d, which leaves no room for connections: it must be at least %d; raise it with ulimit -n, LimitNOFILE= of systemd or --ulimit nofile= of Docker", files, minFiles)
	}
	return files, err
}

func raise() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("cannot read the limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			return l.Cur, nil // the server works with the soft limit, too
		}
	}
	return l.Max, nil
}

// FileLimit returns the limit of open files.
func FileLimit() uint64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return l.Cur
}

// HighestFileLimit returns the limit of open files that the process can give itself; see RaiseFileLimit.
func HighestFileLimit() uint64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return l.Max
}

// Room returns the number of connections that fit into a limit of open files.
func Room(files uint64) uint64 { return max(files, reserve) - reserve }
