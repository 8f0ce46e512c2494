package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// options are what the flags say. Those that a subcommand does not have stay
// zero.
type options struct {
	command string
	url     string

	n           int
	concurrency int
	pid         int
	vars        string
	hello       hello
	json        bool
	quiet       bool
	sources     addrs
	header      header
	headerLines headerLines
	compress    bool
	insecure    bool
	tls12       bool
	timeout     time.Duration
	ramp        time.Duration
	fail        thresholds
	drain       time.Duration
	turn        string
	abrupt      bool

	hold   time.Duration // idle
	at     numbers
	echo   bool
	rest   time.Duration
	settle string

	phase    // echo, broadcast
	size     int
	text     bool
	pipeline int
	think    time.Duration

	then       []phase // broadcast
	publishers int
	publishURL string
	anywhere   bool

	stalled stalledShare // slow
	rcvbuf  int
}

func commonFlags(fs *flag.FlagSet, o *options) {
	fs.IntVar(&o.n, "n", 1000, "`connections` to open")
	fs.IntVar(&o.concurrency, "concurrency", 256, "`handshakes` that are under way at a time, at most")
	fs.DurationVar(&o.ramp, "ramp", 0, "open connections evenly over this `time`, instead of as fast as -concurrency lets")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Second, "`time` that a handshake may take")
	fs.DurationVar(&o.drain, "drain", 5*time.Second, "`time` without any message after which what is missing counts as lost")
	fs.IntVar(&o.pid, "pid", 0, "`process` of the server, on this machine: report its memory and processor time")
	fs.StringVar(&o.vars, "vars", "", "`URL` of the server's page of package expvar: with -pid, report its heap and stacks,\nand its goroutines, if there is a variable of that name")
	fs.Var(&o.hello, "hello", "binary message, in `hexadecimal` digits, that each connection but publishers sends\nfirst; it counts as open when an answer has come, and payloads may then\nstand anywhere in messages")
	fs.Var(&o.sources, "source", "local `addresses` to connect from, with commas between\n(default: 127.0.0.1, 127.0.0.2, ... to a server on the loopback, else the system's choice)")
	fs.Var(&o.header, "header", "`field` to add to each handshake, as \"Name: value\"; Host is sent instead of the URL's;\nmay be repeated")
	fs.Var(&o.headerLines, "header-file", "`file` with a field in each line, of which each connection adds one to its handshake,\nin turn: as \"Cookie: session=...\", where each is somebody else")
	fs.BoolVar(&o.compress, "compress", false, "offer permessage-deflate, without context takeover; messages below 256 bytes\nare sent as they are")
	fs.BoolVar(&o.insecure, "insecure", false, "with wss://, take any certificate, such as one that the server made itself")
	fs.BoolVar(&o.tls12, "tls12", false, "with wss://, speak TLS 1.2 and no higher version")
	fs.StringVar(&o.turn, "turn", "", "`file` to lock but while connections are held, or rest: of several of these programs\nwith the same file, one loads the machine at a time")
	fs.BoolVar(&o.abrupt, "abrupt", false, "end without closing handshakes")
	fs.Var(&o.fail, "fail", "`threshold` like \"p99>50ms\", at which the run has failed; may be repeated: see below")
	fs.BoolVar(&o.json, "json", false, "print one JSON document instead of a table")
	fs.BoolVar(&o.quiet, "q", false, "do not show progress")
}

func idleFlags(fs *flag.FlagSet, o *options) {
	fs.Var(&o.at, "at", "`numbers` of connections, with commas between, at which to do all that on the way to -n, too")
	fs.DurationVar(&o.hold, "hold", 10*time.Second, "`time` to hold the connections after the last is open")
	fs.BoolVar(&o.echo, "echo", false, "then send one message on each connection, wait for it to come back, and measure again after -rest")
	fs.DurationVar(&o.rest, "rest", 20*time.Second, "`time` to wait after -echo before the memory is measured once more")
	fs.StringVar(&o.settle, "settle", "", "`URL` to get before the memory is measured a last time: a page that has the server\nreturn its garbage to the system")
	daemon.SizeVar(fs, &o.size, "size", 128, "`bytes` of the message of -echo, as 128 or 64KiB")
	fs.BoolVar(&o.text, "text", false, "send text messages instead of binary ones")
}

func trafficFlags(fs *flag.FlagSet, o *options) {
	daemon.SizeVar(fs, &o.size, "size", 128, "`bytes` of a message's payload, as 128 or 64KiB")
	fs.BoolVar(&o.text, "text", false, "send text messages instead of binary ones")
	o.forHowLong(fs)
}

func echoFlags(fs *flag.FlagSet, o *options) {
	trafficFlags(fs, o)
	fs.IntVar(&o.pipeline, "pipeline", 1, "`messages` in flight on each connection, at most")
	fs.DurationVar(&o.think, "think", 0, "`time` that passes on each connection between an answer and the next message;\nthe first messages are spread over it")
	fs.Float64Var(&o.rate, "rate", 0, "`messages` per second, over all connections; latency then counts from the\ntime at which a message is due (default: as fast as they come back)")
}

func broadcastFlags(fs *flag.FlagSet, o *options) {
	trafficFlags(fs, o)
	fs.IntVar(&o.publishers, "publishers", 1, "`connections` that publish; they are opened beside the -n subscribers")
	o.howFast(fs)
	fs.Func("then", "after that, on the same connections, go on with these `flags` of -rate, -window,\n-duration and -count, like \"-window 64 -duration 5s\", or else their defaults; may be repeated", o.addThen)
	fs.StringVar(&o.publishURL, "publish-url", "", "`URL` that publishers connect to, if it is another")
	fs.BoolVar(&o.anywhere, "anywhere", false, "payloads may stand anywhere in messages, as after -hello: for servers that wrap them,\nsuch as in JSON, which leaves those of -text as they are")
}

func slowFlags(fs *flag.FlagSet, o *options) {
	broadcastFlags(fs, o)
	o.stalled = stalledShare{percent: 1}
	fs.Var(&o.stalled, "stalled", "subscribers that do not read, of the -n: a `number`, or a share as 1%")
	daemon.SizeVar(fs, &o.rcvbuf, "rcvbuf", 4096, "`bytes` of SO_RCVBUF of those that do not read")
}

// setURL takes what stood beside the flags.
func (o *options) setURL(args []string) error {
	switch len(args) {
	case 0:
		return errors.New("which server? The last argument is its URL, like ws://localhost:8080/echo")
	case 1:
		o.url = args[0]
		return checkURL(o.url)
	}
	return fmt.Errorf("one URL is enough, but there are %d arguments: %q", len(args), args)
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("bad URL: %w", err)
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "":
		return fmt.Errorf("bad URL %q: it has to look like ws://host:port/path, or wss:// for TLS", s)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("bad URL %q: %s is no port; ports are 1 to 65535", s, port)
		}
	}
	return nil
}

// validate reports the first flag that has no meaning, by its name.
func (o *options) validate() error {
	err := inRange([]bounds{
		{"n", float64(o.n), 1, 10_000_000, true},
		{"concurrency", float64(o.concurrency), 1, 100_000, true},
		{"pid", float64(o.pid), 0, 1 << 22, true},
		{"size", float64(o.size), 1, 1 << 30, o.broadcasts() || o.command == "echo" || o.echo},
		{"pipeline", float64(o.pipeline), 1, 1 << 20, o.command == "echo"},
		{"publishers", float64(o.publishers), 1, 1 << 15, o.broadcasts()},
		{"rcvbuf", float64(o.rcvbuf), 0, 1 << 30, true},
	})
	if err != nil {
		return err
	}
	if err := o.validateTimes(); err != nil {
		return err
	}
	for _, c := range o.phases() {
		err := c.validate(o)
		if err != nil && c.flags != "" {
			err = fmt.Errorf("-then %q: %w", c.flags, err)
		}
		if err != nil {
			return err
		}
	}
	if o.pid != 0 {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", o.pid)); err != nil {
			return fmt.Errorf("-pid: there is no process %d on this machine", o.pid)
		}
	}
	for i := range o.fail {
		if err := o.fail[i].validate(o); err != nil {
			return err
		}
	}
	if o.broadcasts() {
		return o.validateBroadcast()
	}
	return nil
}

// bounds are what the value of a flag has to keep to.
type bounds struct {
	name     string
	value    float64
	min, max float64
	has      bool // the flag means something here
}

// inRange reports the first that does not.
func inRange(all []bounds) error {
	for _, f := range all {
		if f.has && !(f.value >= f.min && f.value <= f.max) { // so that NaN is out
			return fmt.Errorf("-%s is %v; it must be from %s to %s", f.name, f.value, comma(int64(f.min)), comma(int64(f.max)))
		}
	}
	return nil
}

func (o *options) tlsConfig() *tls.Config {
	c := &tls.Config{InsecureSkipVerify: o.insecure}
	if o.tls12 {
		c.MaxVersion = tls.VersionTLS12
	}
	return c
}

func (o *options) broadcasts() bool { return o.command == "broadcast" || o.command == "slow" }

func (o *options) validateTimes() error {
	for _, f := range []struct {
		name  string
		value time.Duration
		min   time.Duration
	}{
		{"timeout", o.timeout, time.Millisecond}, {"drain", o.drain, time.Millisecond},
		{"hold", o.hold, 0}, {"rest", o.rest, 0}, {"ramp", o.ramp, 0}, {"think", o.think, 0},
	} {
		if f.value < f.min {
			return fmt.Errorf("-%s is %v; it must be at least %v", f.name, f.value, f.min)
		}
	}
	switch l := append(numbers{0}, o.levels()...); {
	case !slices.IsSorted(l) || len(slices.Compact(l)) <= len(o.at)+1:
		return fmt.Errorf("-at is %v; it must grow, to less than -n, which is %d", o.at, o.n)
	case o.command == "churn" && o.set("n"):
		return errors.New("-n means nothing here: say for how long with -duration, and with -concurrency how many at a time")
	case o.command == "churn" && o.ramp > 0:
		return errors.New("-ramp means nothing here: connections are closed at once; say with -concurrency how many at a time")
	case o.think > 0 && o.rate > 0:
		return errors.New("-think and -rate exclude each other: with -rate the time of each message is fixed")
	case o.think > 0 && o.pipeline > 1:
		return errors.New("-think and -pipeline exclude each other: a connection that thinks has one message in flight")
	case len(o.hello) > 0 && (o.command == "echo" || o.command == "churn" || o.echo):
		return errors.New("-hello is for a protocol of the server's own, in which nothing is echoed")
	}
	return nil
}

func (o *options) validateBroadcast() error {
	if o.size < minBroadcast(o.text) {
		return fmt.Errorf("-size is %d; a broadcast needs at least %d bytes for its number and time", o.size, minBroadcast(o.text))
	}
	if o.publishURL != "" {
		if err := checkURL(o.publishURL); err != nil {
			return fmt.Errorf("-publish-url: %w", err)
		}
	}
	if o.command == "slow" {
		if strings.HasPrefix(o.url, "wss:") {
			return errors.New("slow does not speak TLS: its subscribers that stall stop below it; load a ws:// port")
		}
		if k := o.stalled.of(o.n); k < 1 || k >= o.n {
			return fmt.Errorf("-stalled is %v, which is %d of %d subscribers; at least one must stall and one read", &o.stalled, k, o.n)
		}
	}
	return nil
}

// addrs is the value of -source.
type addrs []netip.Addr

func (a *addrs) String() string { return "" }

func (a *addrs) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		ip, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("%q is no IP address", part)
		}
		*a = append(*a, ip)
	}
	return nil
}

// numbers is the value of -at.
type numbers []int

func (n *numbers) String() string { return "" }

func (n *numbers) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("%q is no number", part)
		}
		*n = append(*n, k)
	}
	return nil
}

// levels are the numbers of connections at which there is something to do: -at, -n.
func (o *options) levels() []int { return append(slices.Clip(o.at), o.n) }

// header is the value of -header.
type header http.Header

func (h *header) String() string { return "" }

func (h *header) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
		return fmt.Errorf("%q is no header field: it has to look like \"Name: value\"", s)
	}
	if *h == nil {
		*h = header{}
	}
	http.Header(*h).Add(name, strings.TrimSpace(value))
	return nil
}

// stalledShare is the value of -stalled: a number, or a percentage.
type stalledShare struct {
	number  int
	percent float64
}

func (s *stalledShare) String() string {
	if s.percent > 0 {
		return strconv.FormatFloat(s.percent, 'g', -1, 64) + "%"
	}
	return strconv.Itoa(s.number)
}

func (s *stalledShare) Set(v string) error {
	if p, ok := strings.CutSuffix(v, "%"); ok {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || !(f > 0 && f < 100) {
			return fmt.Errorf("%q is no share: it has to be above 0%% and below 100%%", v)
		}
		*s = stalledShare{percent: f}
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number of subscribers", v)
	}
	*s = stalledShare{number: n}
	return nil
}

// of returns how many of n it is.
func (s *stalledShare) of(n int) int {
	if s.percent > 0 {
		return max(1, int(float64(n)*s.percent/100))
	}
	return s.number
}
