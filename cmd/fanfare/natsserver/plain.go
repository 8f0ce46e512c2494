//go:build !cluster

package natsserver

import (
	"context"
	"net"
)

// Included reports whether this program has the server.
const Included = false

// Server is a NATS server in this process.
type Server struct{}

// Start starts a server.
func Start(context.Context, Options) (*Server, error) { return nil, ErrNotIncluded }

// Name returns the name of the node.
func (*Server) Name() string { return "" }

// Dial returns a connection to the server.
func (*Server) Dial(context.Context) (net.Conn, error) { return nil, ErrNotIncluded }

// Stop ends the server.
func (*Server) Stop(context.Context) error { return nil }
