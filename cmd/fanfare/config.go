package main

import (
	"flag"
	"io"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// config is what the flags say.
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

Usage: fanfare [flags]     (with -cert and -key it is wss:// and https://)

  ws://ADDR/echo            sends back what it gets
  ws://ADDR/topics/NAME     subscribes to a topic; what is sent goes to all others
                            in it (with ?echo=1 to the sender too); ?history=N
                            begins with the last N, ?resume=EPOCH:OFFSET with what
                            was missed (closed with 4410 if that is not held any
                            more), ?position=1 tells the position first; NAME
                            can be a pattern to listen to, such as prices.* or prices.>
  ws://ADDR/hub             many topics on one connection, in JSON: fanfare.v1

  POST   http://ADDR/topics/NAME               publishes the body (?key=KEY)
  POST   http://ADDR/publish                   publishes many messages, also to patterns
  POST   http://ADDR/users/USER                sends the body to all connections of a user
  GET    http://ADDR/topics                    lists the topics, 100 a page (?prefix=, ?limit=, ?after=NEXT)
  GET    http://ADDR/topics/NAME               tells about one
  GET    http://ADDR/topics/NAME/history       what it holds (?last=N, ?after=EPOCH:OFFSET, &limit=N)
  GET    http://ADDR/topics/NAME/presence      who is in it
  DELETE http://ADDR/topics/NAME/subscribers   closes all who are in it (?code=N&reason=TEXT)
  DELETE http://ADDR/users/USER/connections    closes all connections of a user
  GET    http://ADDR/healthz                   says that all is well
  GET    http://ADDR/fanfare.js                the client of fanfare.v1, for browsers and Node
  GET    http://ADDR/                          a page to try it from a browser

Flags:
`

// parseFlags returns flag.ErrHelp if help or the version was asked for, and told on
// stdout. Every other error has been told on stderr.
func parseFlags(args []string, stdout, stderr io.Writer) (*config, error) {
	c := new(config)
	if err := daemon.ParseFlags(c.flags(), args, usage, stdout, stderr, c.check); err != nil {
		return nil, err
	}
	return c, nil
}

// flags returns those that c is filled from.
func (c *config) flags() *flag.FlagSet {
	f := flag.NewFlagSet("fanfare", flag.ContinueOnError)
	c.limits.flags(f)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.cert, "cert", "", "`file` with the certificate chain, in PEM: with -key the server speaks wss:// and https://\nonly, and loads both again when they change")
	f.StringVar(&c.key, "key", "", "`file` with the certificate's key, in PEM")
	daemon.OriginsVar(f, &c.origins)
	f.BoolVar(&c.compress, "compress", false, "compress messages for clients that offer it (permessage-deflate, without context takeover)")
	f.BoolVar(&c.verbose, "verbose", false, "log refused handshakes too")
	f.Func("topic", "how topics are kept, as `'PATTERN key=value ...'`, such as\n'prices.> slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence';\nrepeat it for others: the first that matches counts. @> stands for those of users", func(s string) error {
		r, err := parseRule(s)
		c.topics = append(c.topics, r)
		return err
	})
	f.StringVar(&c.userHeader, "user-header", "", "`name` of the header in which a proxy in front (-trusted-proxies) tells whose\nconnection it is; it must replace what clients send, and is not believed of others")
	f.StringVar(&c.tokenFile, "token-file", "", "`file` with a token, without which nobody can publish or disconnect, by HTTP or by WebSocket, or\nread what users got, or who they are. It is sent as Authorization: Bearer TOKEN or ?token=TOKEN")
	daemon.ProxiesVar(f, &c.proxies)
	daemon.HostsVar(f, &c.hosts)
	f.StringVar(&c.profile, "cpuprofile", "", "write a profile of the processor time to this `file` at the end")
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
