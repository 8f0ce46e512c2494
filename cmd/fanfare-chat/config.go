package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/chat"
	"github.com/fanfare-ws/fanfare/cmd/internal/cluster"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// config has the values of the flags.
type config struct {
	addr      string
	data      string
	db        string
	cert, key string
	drain     time.Duration
	verbose   bool
	proxies   wsproto.Proxies
	hosts     []string
	limits    chat.Limits
	nats      natsbroker.Options // URLs are empty for a single process
}

const usage = `Fanfare-chat is a chat server for browsers. Open the address that it prints.

Usage: fanfare-chat [flags]     (wss:// and https:// with -cert and -key)

  http://ADDR/           the page
  ws://ADDR/hub          all rooms of a user on one connection, in the protocol fanfare.v1
  ws://ADDR/rooms/ID     one room; each text message that a client sends is posted to it
  http://ADDR/api/...    accounts, rooms and history, in JSON
  http://ADDR/healthz    status and counters, in JSON

Flags:
`

// parseFlags returns flag.ErrHelp if it has printed help or the version on stdout. It has printed every
// other error on stderr.
func parseFlags(args []string, stdout, stderr io.Writer) (*config, error) {
	c := new(config)
	f := flag.NewFlagSet("fanfare-chat", flag.ContinueOnError)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.data, "data", "", "`directory` of the database, created if it does not exist;\ndefault: fanfare-chat in the user's configuration directory")
	f.StringVar(&c.db, "db", "", "`URL` of a PostgreSQL database to use instead of -data, such as postgres://USER@HOST/NAME")
	f.StringVar(&c.cert, "cert", "", "`file` with the certificate chain, in PEM. With -cert and -key the server accepts only\nhttps:// and wss://. It reloads both files when they change")
	f.StringVar(&c.key, "key", "", "`file` with the private key of the certificate, in PEM")
	f.DurationVar(&c.drain, "drain", 10*time.Second, "longest `time` to wait for closing handshakes at shutdown")
	daemon.ProxiesVar(f, &c.proxies)
	daemon.HostsVar(f, &c.hosts)
	f.IntVar(&c.limits.Messages, "rate", 0, "`number` of messages that a user may send per second, over all of their connections, with\na burst of five times as many; 0 for the default of 20, negative for no limit")
	f.IntVar(&c.limits.UserConns, "user-conns", 0, "largest `number` of connections of a user; 0 for the default of 500, negative for no limit")
	f.IntVar(&c.limits.AddrConns, "addr-conns", 0, "largest `number` of connections from an address; 0 for the default of 5000, negative for no\nlimit")
	c.clusterFlags(f)
	f.BoolVar(&c.verbose, "verbose", false, "log every refused handshake. Without this flag the server logs those that a flag would allow, at most one\nof each kind in ten seconds")
	if err := daemon.ParseFlags(f, args, usage, stdout, stderr, c.check); err != nil {
		return nil, err
	}
	return c, nil
}

// clusterFlags adds the flags for NATS.
func (c *config) clusterFlags(f *flag.FlagSet) {
	f.Func("nats", "comma-separated `URLs` of servers of NATS with JetStream, such as nats://host:4222. Chats with the same\nNATS and the same -db are nodes of one chat", func(s string) error {
		c.nats.URLs = strings.Split(s, ",")
		return nil
	})
	f.StringVar(&c.nats.Prefix, "nats-prefix", "fanfare-chat", "`word` that begins all subjects in NATS")
	f.IntVar(&c.nats.Replicas, "nats-replicas", 1, "`number` of servers of NATS that store each message, from 1 to 5")
	f.StringVar(&c.nats.Credentials, "nats-credentials-file", "", "`file` with credentials for NATS, as nsc writes it")
	f.StringVar(&c.nats.NKeySeed, "nats-nkey-file", "", "`file` with the seed of an NKey for NATS")
	f.StringVar(&c.nats.CA, "nats-ca", "", "`file` with the certificates, in PEM, of the authorities that have issued those of NATS")
}

// link makes the link to the other nodes; nil for a single process.
func (c *config) link(log *slog.Logger) (*cluster.Link, error) {
	if len(c.nats.URLs) == 0 {
		return nil, nil
	}
	o := c.nats
	o.Name, o.Topic = "fanfare-chat", chat.TopicOptions
	return cluster.New(o, log)
}

func (c *config) check() error {
	for _, s := range c.nats.URLs {
		if u, err := url.Parse(s); err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" || u.User != nil {
			return errors.New("-nats has a URL that is not one of NATS without a user; it must be like nats://host:4222 or tls://host:4222")
		}
	}
	switch {
	case len(c.nats.URLs) > 0 && c.db == "":
		return errors.New("-nats is given without -db; the nodes of a chat need one PostgreSQL database")
	case c.db != "" && c.data != "":
		return errors.New("-data and -db exclude each other")
	case c.db != "" && !strings.HasPrefix(c.db, "postgres://") && !strings.HasPrefix(c.db, "postgresql://"):
		return fmt.Errorf("-db is %q; it must be the URL of a PostgreSQL database, such as postgres://chat@localhost/chat", c.db)
	case c.drain < 0:
		return fmt.Errorf("-drain is %v; it must not be negative", c.drain)
	}
	if err := c.limits.Validate(); err != nil {
		return fmt.Errorf("-rate is too large: %w", err) // the only limit among the flags that can be invalid
	}
	return daemon.CheckTLS(c.cert, c.key)
}

// secure reports whether the server uses TLS.
func (c *config) secure() bool { return c.cert != "" }

// where returns the URL or the file of the database.
func (c *config) where() (string, error) {
	if c.db != "" {
		return c.db, nil
	}
	dir := c.data
	if dir == "" {
		own, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("-data is required, because there is no configuration directory: %w", err)
		}
		dir = filepath.Join(own, "fanfare-chat")
	}
	return filepath.Join(dir, "chat.db"), nil
}
