//go:build linux

package netpoll

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ConnID names a connection while it is open, and no other one later: it is the number of its descriptor, and the number that
// the kernel has given to its socket (SO_COOKIE), which it gives to no other. So a connection keeps nothing for it. It is
// comparable; the zero ConnID names no connection.
type ConnID struct {
	fd     int32
	cookie uint64
}

// String returns the text that ParseConnID parses, such as 17-2f3a.
func (id ConnID) String() string {
	return strconv.Itoa(int(id.fd)) + "-" + strconv.FormatUint(id.cookie, 16)
}

// MarshalText returns the same as String.
func (id ConnID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text with ParseConnID.
func (id *ConnID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseConnID(string(b))
	return err
}

// ParseConnID is the inverse of ConnID.String.
func ParseConnID(s string) (ConnID, error) {
	fd, cookie, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(fd, 10, 31)
	k, err2 := strconv.ParseUint(cookie, 16, 64)
	if !ok || err != nil || err2 != nil {
		return ConnID{}, fmt.Errorf("netpoll: %.40q names no connection; it must be two numbers, as the server has written them, such as 17-2f3a", s)
	}
	return ConnID{int32(n), k}, nil
}

// ID returns the name of the connection; the zero ConnID if it is closed. It asks the kernel.
func (c *Conn) ID() ConnID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idLocked()
}

func (c *Conn) idLocked() ConnID {
	if c.phase == unborn || c.phase == dead {
		return ConnID{}
	}
	cookie, _ := unix.GetsockoptUint64(int(c.fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	return ConnID{c.fd, cookie}
}
