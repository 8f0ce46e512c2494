package servers

import (
	"net"
	"net/http"
)

// serveHTTP is Serve for those that are handlers of net/http.
func serveHTTP(addr string, ready func(net.Addr), h http.HandlerFunc) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ready(l.Addr())
	return http.Serve(l, h)
}
