package wshub_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// New starts nothing, so fields of the server that are set after it take effect: here, a limit of
// one connection.
func TestNewStartsNothing(t *testing.T) {
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler)}
	h := hub.New(hub.Options{Workers: wshub.Workers(s)})
	s.Engine = netpoll.Options{MaxConns: 1}
	s.NewHandler = func(*wsproto.Request) wsproto.Handler {
		return &wsproto.Funcs{Open: func(c *wsproto.Conn, _ *wsproto.Request) { c.SendText("set after New") }}
	}
	addr := listen(t, s, h)
	_, r := dialMember(t, addr)
	frame := make([]byte, 2+len("set after New"))
	if _, err := r.Read(frame); err != nil || string(frame[2:]) != "set after New" {
		t.Errorf("%q, %v", frame, err)
	}
	if _, err := wsproto.Dial(t.Context(), "ws://"+addr, nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("beyond the limit: %v, want 503", err)
	}
}
