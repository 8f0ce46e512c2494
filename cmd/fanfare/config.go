package main

import (
	"flag"
	"io"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// config holds the values of the flags.
type config struct {
	addr      string
	cert, key string
	origins   []string
	compress  bool
	limits
	verbose    bool
	profile    string
	topics     rules
	userHeader string
	tokenFile  string
	proxies    wsproto.Proxies
	hosts      []string
}

const usage = `Fanfare is a WebSocket server that echoes and broadcasts.

Usage: fanfare [flags]     (wss:// and https:// with -cert and -key)

  ws://ADDR/echo            sends every message back
  ws://ADDR/topics/NAME     subscribes to a topic; messages from the client go to all
                            other subscribers. NAME can be a pattern such as prices.*
                            or prices.>, which only receives. Options:
                              ?echo=1               the sender receives its messages, too
                              ?history=N            begins with the last N messages
                              ?resume=EPOCH:OFFSET  begins with the messages after that
                                                    position; closes with 4410 if the
                                                    topic no longer holds them
                              ?position=1           the first message is the position
  ws://ADDR/hub             many topics on one connection, in JSON: fanfare.v1

  POST   http://ADDR/topics/NAME               publishes the body (?key=KEY)
  POST   http://ADDR/publish                   publishes many messages, also to patterns
  POST   http://ADDR/users/USER                sends the body to all connections of a user (?key=KEY)
  GET    http://ADDR/topics                    lists the topics, 100 a page (?prefix=, ?limit=, ?after=NEXT)
  GET    http://ADDR/topics/NAME               describes one topic
  GET    http://ADDR/topics/NAME/history       returns its messages (?last=N, ?after=EPOCH:OFFSET, &limit=N)
  GET    http://ADDR/topics/NAME/presence      lists the people in it (?limit=, ?after=NEXT)
  DELETE http://ADDR/topics/NAME/subscribers   closes its subscribers' connections (?code=N&reason=TEXT)
  DELETE http://ADDR/users/USER/connections    closes all connections of a user (?code=N&reason=TEXT)
  GET    http://ADDR/healthz                   reports that the server is up, with its memory use
  GET    http://ADDR/fanfare.js                the client of fanfare.v1, for browsers and Node
  GET    http://ADDR/                          a page to try the server in a browser

Flags:
`

// parseFlags returns flag.ErrHelp after it has written help or the version to stdout. It has written every other error to
// stderr.
func parseFlags(args []string, stdout, stderr io.Writer) (*config, error) {
	c := new(config)
	if err := daemon.ParseFlags(c.flags(), args, usage, stdout, stderr, c.check); err != nil {
		return nil, err
	}
	return c, nil
}

// flags returns the flags, whose values go to c.
func (c *config) flags() *flag.FlagSet {
	f := flag.NewFlagSet("fanfare", flag.ContinueOnError)
	c.limits.flags(f)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.cert, "cert", "", "`file` with the certificate chain, in PEM. With -cert and -key the server speaks wss:// and https://\nonly; it loads both files again when they change")
	f.StringVar(&c.key, "key", "", "`file` with the certificate's key, in PEM")
	daemon.OriginsVar(f, &c.origins)
	f.BoolVar(&c.compress, "compress", false, "compress messages for clients that offer it (permessage-deflate, without context takeover)")
	f.BoolVar(&c.verbose, "verbose", false, "log every refused handshake. Without this flag the server logs those that a flag would allow, at most one\nof each kind in ten seconds")
	f.Func("topic", "rule for topics, `'PATTERN key=value ...'`, such as\n'prices.> slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence'.\nThe flag may be repeated; the first rule whose pattern matches a topic applies. @> matches the topics of users", func(s string) error {
		r, err := parseRule(s)
		c.topics = append(c.topics, r)
		return err
	})
	f.StringVar(&c.userHeader, "user-header", "", "`name` of the header in which a proxy (-trusted-proxies) gives the user of a connection. The proxy\nmust replace the header if a client sends it; the server ignores it from other addresses")
	f.StringVar(&c.tokenFile, "token-file", "", "`file` that contains the API token. With this flag, only clients that send the token may publish and\ndisconnect others (over HTTP or WebSocket), read user messages, and list users. They send it as\nAuthorization: Bearer TOKEN or ?token=TOKEN. Without this flag everybody may publish and disconnect\nothers, and nobody may read user messages")
	daemon.ProxiesVar(f, &c.proxies)
	daemon.HostsVar(f, &c.hosts)
	f.StringVar(&c.profile, "cpuprofile", "", "write a CPU profile to this `file`")
	return f
}

func (c *config) check() error {
	if err := daemon.CheckTLS(c.cert, c.key); err != nil {
		return err
	}
	return c.limits.check()
}

// secure reports whether the server speaks TLS.
func (c *config) secure() bool { return c.cert != "" }
