package sys

import (
	"reflect"
	"syscall"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// NewEpoll returns an easygo instance whose descriptors are closed on exec. easygo itself does
// not set that, and a child process would keep the sockets of the server alive. ForkLock
// prevents this program from starting another (os/exec) in between; a fork by
// other means, in C, is still possible.
func NewEpoll(onError func(error)) (*easygo.Epoll, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	poll, err := easygo.EpollCreate(&easygo.EpollConfig{OnWaitError: onError})
	if err != nil {
		return nil, err
	}
	// The fields are unexported, but reflection can read them. With a
	// version that does not have them, the descriptors stay as they are, and a test fails.
	v := reflect.ValueOf(poll).Elem()
	for _, name := range []string{"fd", "eventFd"} {
		if f := v.FieldByName(name); f.IsValid() && f.CanInt() {
			unix.CloseOnExec(int(f.Int()))
		}
	}
	return poll, nil
}
