package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/internal/serving"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// config is what the flags say.
type config struct {
	addr       string
	cert, key  string
	origins    []string
	maxMessage int
	maxPending int
	maxConns   int
	maxTopics  int
	compress   bool
	ping       time.Duration
	drain      time.Duration
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
  GET    http://ADDR/topics                    lists the topics
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
	f := flag.NewFlagSet("fanfare", flag.ContinueOnError)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.cert, "cert", "", "`file` with the certificate chain, in PEM: with -key the server speaks wss:// and https://\nonly, and loads both again when they change")
	f.StringVar(&c.key, "key", "", "`file` with the certificate's key, in PEM")
	serving.OriginsVar(f, &c.origins)
	serving.SizeVar(f, &c.maxMessage, "max-message", 1<<20, "largest message, in `bytes`: 65536, 64k and 64KiB are the same, for all sizes here")
	serving.SizeVar(f, &c.maxPending, "max-pending", 4<<20, "`bytes` that may wait for a slow client before it is disconnected, and by which\nit may lag behind in a topic whose -topic states no limit")
	f.IntVar(&c.maxConns, "max-conns", 0, "largest `number` of connections; 0 for no limit but that of open files")
	f.IntVar(&c.maxTopics, "max-topics", hub.DefaultMaxTopics, "largest `number` of topics, patterns included")
	f.BoolVar(&c.compress, "compress", false, "compress messages for clients that offer it (permessage-deflate, without context takeover)")
	f.DurationVar(&c.ping, "ping", time.Minute, "`time` after which a silent client is pinged; 0 for never")
	f.DurationVar(&c.drain, "drain", 10*time.Second, "longest `time` to wait for clients to say goodbye at the end")
	f.BoolVar(&c.verbose, "verbose", false, "log refused handshakes too")
	f.Func("topic", "how topics are kept, as `'PATTERN key=value ...'`, such as\n'prices.> slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence';\nrepeat it for others: the first that matches counts. @> stands for those of users", func(s string) error {
		r, err := parseRule(s)
		c.topics = append(c.topics, r)
		return err
	})
	f.StringVar(&c.userHeader, "user-header", "", "`name` of the header in which a proxy in front tells whose connection it is;\nclients must not reach the server without that proxy")
	f.StringVar(&c.tokenFile, "token-file", "", "`file` with a token, without which nobody can publish or disconnect, by HTTP or by WebSocket, or\nread what users got, or who they are. It is sent as Authorization: Bearer TOKEN or ?token=TOKEN")
	serving.ProxiesVar(f, &c.proxies)
	serving.HostsVar(f, &c.hosts)
	f.StringVar(&c.profile, "cpuprofile", "", "write a profile of the processor time to this `file` at the end")
	if err := serving.ParseFlags(f, args, usage, stdout, stderr, c.check); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *config) check() error {
	switch {
	case serving.CheckTLS(c.cert, c.key) != nil:
		return serving.CheckTLS(c.cert, c.key)
	case c.maxMessage < 1:
		return fmt.Errorf("-max-message is %s; it must be at least 1 byte", serving.FormatSize(c.maxMessage))
	case c.maxPending/2-turnBytes < c.maxMessage:
		return fmt.Errorf("-max-pending is %s; for messages of %s (-max-message) it must be at least %s, or an echo could be refused",
			serving.FormatSize(c.maxPending), serving.FormatSize(c.maxMessage), serving.FormatSize(2*(min(c.maxMessage, 1<<40)+turnBytes)))
	case c.maxConns < 0:
		return fmt.Errorf("-max-conns is %d; it must not be negative", c.maxConns)
	case c.maxTopics < 1:
		return fmt.Errorf("-max-topics is %d; it must be at least 1", c.maxTopics)
	case c.ping < 0 || c.drain < 0:
		return errors.New("-ping and -drain must not be negative")
	}
	return nil
}

// secure reports whether the server speaks TLS.
func (c *config) secure() bool { return c.cert != "" }

// turnBytes is the most that a connection is read, and so answered, after it was
// last seen to have room.
const turnBytes = 128 << 10
