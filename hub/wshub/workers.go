package wshub

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Workers returns the workers of a server, for hub.Options.Workers. The first use of the hub
// starts the server's engine; from then on the server's fields must not change.
func Workers(s *wsproto.Server) hub.Workers { return workers{s} }

type workers struct{ server *wsproto.Server }

func (w workers) Loops() int { return w.server.Loops() }

func (w workers) NewTask(loop int, r hub.Runner) hub.Task {
	t := new(wsproto.Task)
	if err := w.server.InitTask(t, loop, r); err != nil {
		panic(err) // the server cannot start, so it has no connections that could subscribe
	}
	return t
}
