package config

import (
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/natsserver"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
)

// Cluster is the NATS server in this process, in place of those of [NATS]: see package natsserver.
type Cluster struct {
	Data       string   `name:"data" placeholder:"DIR" help:"directory in which this server stores messages, with a NATS server of its own, so that history and the positions of clients survive its end. Only in programs that are built with -tags cluster. -nats-prefix, -nats-stream, -nats-replicas, -nats-max-bytes, -nats-max-messages, -nats-min-age and -nats-timeout apply"`
	Listen     string   `name:"cluster-listen" placeholder:"HOST:PORT" help:"address for the other nodes of a cluster without a NATS of its own. Clients do not need it"`
	Peers      []string `name:"cluster-peers" placeholder:"ADDRESSES" help:"comma-separated addresses of the other nodes, those of their -cluster-listen. The node's own address is ignored, so that all nodes can have the same list. Three nodes go on if one of them fails; of two, neither goes on without the other"`
	Name       string   `name:"cluster-name" placeholder:"WORD" default:"fanfare" help:"name of the cluster, the same for all nodes"`
	SecretFile string   `name:"cluster-secret-file" placeholder:"FILE" help:"file whose only word is a secret, the same for all nodes, without which a node is refused"`

	Cert string `name:"cluster-cert" placeholder:"FILE" help:"file with the certificate of this node, in PEM, for clients and servers. With it, routes are encrypted, and each node checks the other's certificate. It is read again for each connection"`
	Key  string `name:"cluster-key" placeholder:"FILE" help:"file with the key of -cluster-cert, in PEM"`
	CA   string `name:"cluster-ca" toml:"ca" placeholder:"FILE" help:"file with the certificates, in PEM, of the authorities of the nodes' certificates"`
}

// Any reports whether the server has a NATS server in its process.
func (c *Cluster) Any() bool { return c.Data != "" }

// Linked reports whether the server stores messages in NATS: in servers of its own, or in that of its process.
func (c *Config) Linked() bool { return c.NATS.Any() || c.Cluster.Any() }

// NATSServer returns the options of the NATS server in this process, without Log. It reads the file of the secret.
func (c *Config) NATSServer() (natsserver.Options, error) {
	n := &c.Cluster
	o := natsserver.Options{Dir: n.Data, MaxMessage: int(c.Limits.MaxMessage), MaxBytes: int64(c.NATS.MaxBytes), Routes: n.routes()}
	if o.Routes.Single() {
		return o, nil
	}
	word, err := secretfile.Word(n.SecretFile)
	if err != nil {
		return o, fmt.Errorf("cluster.secret-file: %w", err)
	}
	o.Routes.Secret = word
	return o, nil
}

// routes returns the routes without the secret.
func (n *Cluster) routes() natsserver.Routes {
	return natsserver.Routes{Cluster: n.Name, Listen: n.Listen, Peers: n.Peers, Cert: n.Cert, Key: n.Key, CA: n.CA}
}

// replicas returns the default of NATS.Replicas.
func (n *Cluster) replicas() int {
	r := n.routes()
	return r.Replicas()
}

func (l *loader) validateCluster() {
	const data, nats, listen, peers, secret = "cluster.data", "nats.url", "cluster.listen", "cluster.peers", "cluster.secret-file"
	n := &l.config.Cluster
	if l.refuseCluster() {
		return
	}
	if n.Any() && l.config.NATS.Any() && l.good(data, nats) {
		l.refuse(data, " and %s exclude each other: messages are stored by the NATS server in this process, or by others", l.nameOf(nats, data))
	}
	if err := natsserver.CheckAddress(n.Listen, true); n.Listen != "" && err != nil && l.good(listen) {
		l.refuse(listen, ": %v", err)
	}
	l.each(peers, n.Peers, func(address string) error { return natsserver.CheckAddress(address, false) })
	l.checkPlain("cluster.name", n.Name, "such as fanfare")
	switch given := n.Listen != "" || len(n.Peers) > 0; {
	case !given || !l.good(listen, peers, secret):
	case n.Listen == "":
		l.refuse(peers, " is given without %s, the address for the others", l.nameOf(listen, peers))
	case len(n.Peers) == 0:
		l.refuse(listen, " is given without %s, the addresses of the others", l.nameOf(peers, listen))
	case n.SecretFile == "":
		l.refuse(listen, " is given without %s; without a secret anybody could join the cluster", l.nameOf(secret, listen))
	case len(n.Peers) == 1:
		l.note(peers, " has one node; neither of two nodes goes on without the other, so a cluster should have three at least")
	}
	l.together("cluster.cert", n.Cert, "cluster.key", n.Key, "a certificate needs its key")
	l.together("cluster.cert", n.Cert, "cluster.ca", n.CA, "nodes check each other's certificates")
}

// refuseCluster refuses all settings of Cluster where they could not have an effect, and reports whether there was one.
func (l *loader) refuseCluster() (refused bool) {
	if natsserver.Included && l.config.Cluster.Any() || !l.good("cluster.data") {
		return false
	}
	now, def := valueOf(l.config), valueOf(defaults())
	for _, f := range settings().fields {
		switch {
		case !strings.HasPrefix(f.path, "cluster.") || fmt.Sprint(f.of(now)) == fmt.Sprint(f.of(def)):
			continue
		case !natsserver.Included:
			l.refuse(f.path, ": %v", natsserver.ErrNotIncluded)
		default:
			l.refuse(f.path, " is given without %s, the directory for what is stored", l.nameOf("cluster.data", f.path))
		}
		refused = true
	}
	return refused
}
