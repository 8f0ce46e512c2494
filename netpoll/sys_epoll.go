//go:build linux

package netpoll

import (
	"reflect"
	"syscall"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// newEpoll returns an instance of easygo's whose descriptors are closed on exec, which
// easygo does not see to: a child would keep the sockets of the server alive. ForkLock
// keeps the programs that this one starts (os/exec) out in between; a fork by
// other means, in C, could still come there.
func newEpoll(onError func(error)) (*easygo.Epoll, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	poll, err := easygo.EpollCreate(&easygo.EpollConfig{OnWaitError: onError})
	if err != nil {
		return nil, err
	}
	// The fields have no names outside, and reflection reads them all the same. A
	// version without them leaves the descriptors as they are; a test would tell.
	v := reflect.ValueOf(poll).Elem()
	for _, name := range []string{"fd", "eventFd"} {
		if f := v.FieldByName(name); f.IsValid() && f.CanInt() {
			unix.CloseOnExec(int(f.Int()))
		}
	}
	return poll, nil
}
