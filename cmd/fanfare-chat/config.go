package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// config is what the flags say.
type config struct {
	addr      string
	data      string
	db        string
	cert, key string
	drain     time.Duration
	verbose   bool
	proxies   wsproto.Proxies
	hosts     []string
	rate      int
}

const usage = `Fanfare-chat is a chat for browsers: open the address that it prints.

Usage: fanfare-chat [flags]     (with -cert and -key it is https://)

  http://ADDR/           the page
  ws://ADDR/hub          all rooms of somebody on one connection: fanfare.v1
  ws://ADDR/rooms/ID     one room: what is sent as text is said there
  http://ADDR/api/...    accounts, rooms and history, in JSON
  http://ADDR/healthz    says that all is well

Flags:
`

// parseFlags returns flag.ErrHelp if help or the version was asked for, and told on
// stdout. Every other error has been told on stderr.
func parseFlags(args []string, stdout, stderr io.Writer) (*config, error) {
	c := new(config)
	f := flag.NewFlagSet("fanfare-chat", flag.ContinueOnError)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.data, "data", "", "`directory` in which all is kept, made if it is not there;\nfanfare-chat in the user's directory for configuration if empty")
	f.StringVar(&c.db, "db", "", "`URL` of a PostgreSQL database to keep all in, postgres://USER@HOST/NAME, instead of -data")
	f.StringVar(&c.cert, "cert", "", "`file` with the certificate chain, in PEM: with -key the server speaks wss:// and https://\nonly, and loads both again when they change")
	f.StringVar(&c.key, "key", "", "`file` with the certificate's key, in PEM")
	f.DurationVar(&c.drain, "drain", 10*time.Second, "longest `time` to wait for clients to say goodbye at the end")
	daemon.ProxiesVar(f, &c.proxies)
	daemon.HostsVar(f, &c.hosts)
	f.IntVar(&c.rate, "rate", 0, "`number` of messages that a user may send a second, over all of their connections, with\na burst of five times as many; 0 for the default of 20, negative for no limit")
	f.BoolVar(&c.verbose, "verbose", false, "log refused handshakes too")
	if err := daemon.ParseFlags(f, args, usage, stdout, stderr, c.check); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *config) check() error {
	switch {
	case c.db != "" && c.data != "":
		return errors.New("-data is given as well as -db; all is kept in one of them")
	case c.db != "" && !strings.HasPrefix(c.db, "postgres://") && !strings.HasPrefix(c.db, "postgresql://"):
		return fmt.Errorf("-db is %q; it takes the URL of a PostgreSQL database, such as postgres://chat@localhost/chat", c.db)
	case c.drain < 0:
		return errors.New("-drain must not be negative")
	}
	return daemon.CheckTLS(c.cert, c.key)
}

// secure reports whether the server speaks TLS.
func (c *config) secure() bool { return c.cert != "" }

// where returns the URL or the file of the store.
func (c *config) where() (string, error) {
	if c.db != "" {
		return c.db, nil
	}
	dir := c.data
	if dir == "" {
		own, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("-data must name the directory: %w", err)
		}
		dir = filepath.Join(own, "fanfare-chat")
	}
	return filepath.Join(dir, "chat.db"), nil
}
