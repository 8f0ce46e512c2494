package natstest

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A port that another process has is told from other reasons, and Restart waits until it is free.
func TestPortTaken(t *testing.T) {
	s := Start(t, "")
	s.Kill()
	l, err := net.Listen("tcp", strings.TrimPrefix(s.URL, "nats://"))
	if err != nil {
		t.Skip("another process has the port already: ", err)
	}
	defer l.Close()
	if err := s.start(mustBuild(t)); !errors.Is(err, errPort) {
		t.Fatalf("with the port of clients taken: %v", err)
	}
	time.AfterFunc(300*time.Millisecond, func() { l.Close() }) // during the attempts, or before
	s.Restart()

	route, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer route.Close()
	r := &Server{t: t, Name: "r", dir: t.TempDir(), route: route.Addr().String(), routes: "nats://" + route.Addr().String()}
	if err := r.start(mustBuild(t)); !errors.Is(err, errPort) {
		t.Fatalf("with the port of routes taken: %v", err)
	}
}
