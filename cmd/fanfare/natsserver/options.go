package natsserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
)

// ErrNotIncluded says that this program does not have the server.
var ErrNotIncluded = errors.New("this program has no NATS server in it; the one that has is built with go build -tags cluster ./cmd/fanfare")

// Options configure a [Server].
type Options struct {
	// Dir is the directory for what is stored. It is created if it does not exist.
	Dir string
	// MaxMessage is the largest message of a client in bytes.
	MaxMessage int
	// MaxBytes is how large the stream may become, or negative for no limit. The broker sets the limit itself; here it is
	// compared with the free space.
	MaxBytes int64
	// Routes joins this node with others; the zero value is a single node.
	Routes Routes
	// Log gets what the server says. It must not be nil.
	Log *slog.Logger
}

// Routes are how the nodes of a cluster reach each other.
type Routes struct {
	Cluster string   // name of the cluster
	Listen  string   // host:port; no host means all addresses
	Peers   []string // host:port of the other nodes; the node's own is ignored
	Secret  string   // that all nodes share

	// Files with the certificate of this node and its key, and with the authorities of the others' certificates. They are
	// read again for each connection. Without them routes are not encrypted.
	Cert, Key, CA string
}

// Single reports whether there are no other nodes.
func (r *Routes) Single() bool { return len(r.Peers) == 0 }

// Replicas returns on how many nodes each message should be stored: on three if there are as many.
func (r *Routes) Replicas() int {
	others := len(r.Peers)
	if slices.Contains(r.Peers, r.Listen) {
		others--
	}
	if others < 2 {
		return 1
	}
	return 3
}

// CheckAddress returns what is wrong with an address of routes.
func CheckAddress(address string, listens bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address; it must be host:port, such as node-2:6222", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has the port %q; it must be a number from 1 to 65535", address, port)
	}
	if host == "" && !listens {
		return fmt.Errorf("%q has no host; it must be host:port, such as node-2:6222", address)
	}
	return nil
}
