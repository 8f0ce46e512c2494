package sys

import "golang.org/x/sys/unix"

// Event is an eventfd(2), with which a program raises an event in an epoll instance.
type Event int

// NewEvent returns an Event, which the caller must close.
func NewEvent() (Event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return Event(fd), err
}

// Raise makes the descriptor readable. If it is registered edge-triggered, each call is an event, and nothing needs to read it.
func (e Event) Raise() {
	one := [8]byte{1} // of either byte order: any number will do
	_, _ = unix.Write(int(e), one[:])
}

// Close closes the descriptor.
func (e Event) Close() { _ = unix.Close(int(e)) }
