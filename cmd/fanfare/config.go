package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	addr       string
	origins    string
	maxMessage int
	maxPending int
	maxConns   int
	ping       time.Duration
	drain      time.Duration
	verbose    bool
}

const usage = `Fanfare is a WebSocket server that echoes and broadcasts.

Usage: fanfare [flags]

  ws://ADDR/echo            sends back what it gets
  ws://ADDR/topics/NAME     subscribes to a topic; what is sent goes to all others
                            in it (with ?echo=1 to the sender too)
  POST http://ADDR/topics/NAME   publishes the body
  GET  http://ADDR/topics        lists the topics
  GET  http://ADDR/healthz       says that all is well
  GET  http://ADDR/              a page to try it from a browser

Flags:
`

// parseFlags returns flag.ErrHelp if help was asked for. Every other error has
// been told on w.
func parseFlags(args []string, w io.Writer) (*config, error) {
	c := new(config)
	f := flag.NewFlagSet("fanfare", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`host:port` to listen on")
	f.StringVar(&c.origins, "origins", "", "`hosts` whose pages may connect, parted by commas, or * for all; the server's own if empty")
	f.IntVar(&c.maxMessage, "max-message", 1<<20, "largest message, in `bytes`")
	f.IntVar(&c.maxPending, "max-pending", 4<<20, "`bytes` that may wait for a slow client before it is disconnected")
	f.IntVar(&c.maxConns, "max-conns", 0, "largest `number` of connections; as many as the file limit allows if 0")
	f.DurationVar(&c.ping, "ping", time.Minute, "`time` after which a silent client is pinged; 0 for never")
	f.DurationVar(&c.drain, "drain", 10*time.Second, "longest `time` to wait for clients to say goodbye at the end")
	f.BoolVar(&c.verbose, "verbose", false, "log refused handshakes too")
	f.Usage = func() {
		fmt.Fprint(w, usage)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if err := c.check(f); err != nil {
		fmt.Fprintln(w, "fanfare:", err)
		fmt.Fprintln(w, "Run fanfare -help for the flags.")
		return nil, err
	}
	return c, nil
}

func (c *config) check(f *flag.FlagSet) error {
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%q is no flag; flags begin with a dash", f.Arg(0))
	case c.maxMessage < 1:
		return fmt.Errorf("-max-message is %d; it must be at least 1", c.maxMessage)
	case c.maxPending < 2*c.maxMessage:
		return fmt.Errorf("-max-pending is %d; it must be at least twice -max-message, %d", c.maxPending, 2*c.maxMessage)
	case c.maxConns < 0:
		return fmt.Errorf("-max-conns is %d; it must not be negative", c.maxConns)
	case c.ping < 0 || c.drain < 0:
		return errors.New("-ping and -drain must not be negative")
	}
	return nil
}

// allows reports whether a page from the host of origin may connect.
func (c *config) allows(host string) bool {
	for o := range strings.SplitSeq(c.origins, ",") {
		if o = strings.TrimSpace(o); o == "*" || strings.EqualFold(o, host) {
			return true
		}
	}
	return false
}
