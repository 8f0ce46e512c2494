package main

import (
	"context"
	"net"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/natsserver"
)

// nodeEnd is how long the NATS server in this process may take to end. Most of it is for disks that are slow.
const nodeEnd = 5 * time.Second

// startNode starts the NATS server in this process, if there is to be one. The link finds it there.
func (a *app) startNode(ctx context.Context) error {
	if !a.cfg.Cluster.Any() {
		return nil
	}
	o, err := a.cfg.NATSServer()
	if err != nil {
		return err
	}
	o.Log = a.log
	begun := time.Now()
	if a.node, err = natsserver.Start(ctx, o); err != nil {
		return err
	}
	a.log.Info("the NATS server in this process has started", "node", a.node.Name(), "directory", o.Dir, "after", time.Since(begun).Round(time.Millisecond))
	return nil
}

// dialNode connects the link to the NATS server in this process. It is called after startNode.
func (a *app) dialNode(ctx context.Context) (net.Conn, error) { return a.node.Dial(ctx) }

// endNode ends the NATS server in this process. The link has been closed before.
func (a *app) endNode() {
	if a.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), nodeEnd)
	defer cancel()
	if err := a.node.Stop(ctx); err != nil {
		a.log.Warn("the NATS server in this process has not ended in order; what it has stored remains", "error", err)
	}
}
