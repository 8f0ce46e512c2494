//go:build !cluster

package natsserver

import (
	"context"
	"errors"
	"net"
)

// Included reports whether this program has the server.
const Included = false

// ErrNotIncluded says that this program does not have the server.
var ErrNotIncluded = errors.New("this program has no NATS server in it; the one that has is built with go build -tags cluster ./cmd/fanfare")

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
