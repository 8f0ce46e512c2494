package natsbroker

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/brokertest"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// A broker with Options.Dial uses no other connections, and loses and finds its server as others do. They are pipes, as within
// a process.
func TestDial(t *testing.T) {
	server := natstest.Start(t, "")
	brokertest.Run(t, func(*testing.T) brokertest.Setup {
		c := newCluster(Options{URLs: []string{"nats://nowhere.invalid:4222", "nats://nobody.invalid:4222"}}, server)
		node := func(t *testing.T) hub.Broker {
			t.Helper()
			p := natstest.NewProxy(t, server)
			o := c.options
			o.Dial = func(ctx context.Context) (net.Conn, error) { return pipe(ctx, strings.TrimPrefix(p.URL, "nats://")) }
			o.OnError = func(err error) { t.Log(err) }
			b, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			return &proxied{b, p}
		}
		return brokertest.Setup{Node: node, Cut: cut, History: true}
	})
}

// pipe returns a pipe that continues as a connection to an address.
func pipe(ctx context.Context, address string) (net.Conn, error) {
	far, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	near, inner := net.Pipe()
	for _, way := range [][2]net.Conn{{far, inner}, {inner, far}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // it ends with either of them
			far.Close()
			inner.Close()
		}()
	}
	return near, nil
}

// An error of Dial is reported, and Dial is called again.
func TestDialFails(t *testing.T) {
	calls, reports := make(chan struct{}, 8), make(chan error, 8)
	b, err := New(Options{
		Dial: func(context.Context) (net.Conn, error) {
			select {
			case calls <- struct{}{}:
			default:
			}
			return nil, errors.New("not yet")
		},
		OnError: func(err error) {
			select {
			case reports <- err:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Attach(nil) // never linked, so it is not called
	defer b.Close()
	<-calls
	<-calls
	if err := <-reports; !errors.Is(err, hub.ErrLinkDown) || !strings.Contains(err.Error(), "not yet") {
		t.Error(err)
	}
}
