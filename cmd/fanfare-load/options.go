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
	"github.com/fanfare-ws/fanfare/hub"
)

// options holds the values of the flags. Flags that a subcommand does not have are zero.
type options struct {
	command string
	url     string
	urls    []string // of follow: url and others

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

	topic string // follow

	stalled stalledShare // slow
	rcvbuf  int
}

func commonFlags(fs *flag.FlagSet, o *options) {
	fs.IntVar(&o.n, "n", 1000, "`connections` to open")
	fs.IntVar(&o.concurrency, "concurrency", 256, "largest number of concurrent `handshakes`")
	fs.DurationVar(&o.ramp, "ramp", 0, "spread opening the connections evenly over this `time`, instead of as fast as -concurrency allows")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Second, "longest `time` for a handshake")
	fs.DurationVar(&o.drain, "drain", 5*time.Second, "`time` without any message after which missing messages count as lost")
	fs.IntVar(&o.pid, "pid", 0, "`process` ID of a server on this machine: report its memory and CPU time")
	fs.StringVar(&o.vars, "vars", "", "`URL` of the server's expvar page: with -pid, report its heap and stacks and, if it has a\nvariable of that name, its goroutines")
	fs.Var(&o.hello, "hello", "binary message, in `hexadecimal` digits, that each connection except publishers sends\nfirst. The connection counts as open once the server answers; payloads may then be\nanywhere within messages")
	fs.Var(&o.sources, "source", "comma-separated local `addresses` to connect from\n(default: 127.0.0.1, 127.0.0.2, ... for a server on the loopback, else the system's choice)")
	fs.Var(&o.header, "header", "header `field` to add to each handshake, as \"Name: value\"; Host replaces the host of the URL;\nmay be repeated")
	fs.Var(&o.headerLines, "header-file", "`file` with one header field per line. Each connection adds the next line to its handshake,\nsuch as \"Cookie: session=...\" of another user")
	fs.BoolVar(&o.compress, "compress", false, "offer permessage-deflate without context takeover; messages below 256 bytes\nare sent uncompressed")
	fs.BoolVar(&o.insecure, "insecure", false, "with wss://, accept any certificate, including self-signed ones")
	fs.BoolVar(&o.tls12, "tls12", false, "with wss://, use TLS 1.2 instead of 1.3")
	fs.StringVar(&o.turn, "turn", "", "`file` to lock except while connections are held or at rest: of several fanfare-load with\nthe same file, one at a time puts load on the machine")
	fs.BoolVar(&o.abrupt, "abrupt", false, "close connections without a closing handshake")
	fs.Var(&o.fail, "fail", "`threshold`, such as \"p99>50ms\", that makes the run fail; may be repeated; see below")
	fs.BoolVar(&o.json, "json", false, "print one JSON document instead of a table")
	fs.BoolVar(&o.quiet, "q", false, "do not show progress")
}

func idleFlags(fs *flag.FlagSet, o *options) {
	fs.Var(&o.at, "at", "comma-separated `numbers` of connections below -n at which to measure as well")
	fs.DurationVar(&o.hold, "hold", 10*time.Second, "`time` to hold the connections once all are open. With -pid, the report then has the server's CPU time per second\nand connection: for the pings, too, if this time, or -rest, is the interval of the server's pings or a multiple of it")
	fs.BoolVar(&o.echo, "echo", false, "then send one message on each connection, wait for its echo, and measure again after -rest")
	fs.DurationVar(&o.rest, "rest", 20*time.Second, "`time` to wait after -echo before measuring again")
	fs.StringVar(&o.settle, "settle", "", "`URL` to get before the last measurement: a page that makes the server return its\ngarbage to the system")
	daemon.SizeVar(fs, &o.size, "size", 128, "size of the message of -echo, in `bytes`, such as 128 or 64KiB")
	fs.BoolVar(&o.text, "text", false, "send text messages instead of binary ones")
}

func trafficFlags(fs *flag.FlagSet, o *options) {
	daemon.SizeVar(fs, &o.size, "size", 128, "size of a message's payload, in `bytes`, such as 128 or 64KiB")
	fs.BoolVar(&o.text, "text", false, "send text messages instead of binary ones")
	o.forHowLong(fs)
}

func echoFlags(fs *flag.FlagSet, o *options) {
	trafficFlags(fs, o)
	fs.IntVar(&o.pipeline, "pipeline", 1, "largest number of `messages` in flight on each connection")
	fs.DurationVar(&o.think, "think", 0, "`time` between an echo and the next message on each connection; the first messages\nare spread over this time")
	fs.Float64Var(&o.rate, "rate", 0, "`messages` per second, on all connections together; latency then counts from the time\nat which a message is due (default: send the next message when an echo arrives)")
}

func broadcastFlags(fs *flag.FlagSet, o *options) {
	trafficFlags(fs, o)
	fs.IntVar(&o.publishers, "publishers", 1, "`connections` that publish, in addition to the -n subscribers")
	o.howFast(fs)
	fs.Func("then", "then continue on the same connections with other `flags`: -rate, -window, -duration and\n-count, such as \"-window 64 -duration 5s\"; may be repeated", o.addThen)
	fs.StringVar(&o.publishURL, "publish-url", "", "`URL` for the publishers, if it differs from the subscribers'")
	fs.BoolVar(&o.anywhere, "anywhere", false, "payloads may be anywhere within messages, as after -hello: for servers that wrap them, for\nexample in JSON, which leaves payloads of -text unchanged")
}

func slowFlags(fs *flag.FlagSet, o *options) {
	broadcastFlags(fs, o)
	o.stalled = stalledShare{percent: 1}
	fs.Var(&o.stalled, "stalled", "subscribers, of the -n, that do not read: a `number`, or a share such as 1%")
	daemon.SizeVar(fs, &o.rcvbuf, "rcvbuf", 4096, "SO_RCVBUF of the subscribers that do not read, in `bytes`")
}

// setURL takes the arguments that are not flags.
func (o *options) setURL(args []string) error {
	switch len(args) {
	case 0:
		return errors.New("the URL is missing: the last argument must be a URL such as ws://localhost:8080/echo")
	case 1:
	default:
		if o.command == "follow" {
			break
		}
		return fmt.Errorf("the arguments %q are more than one URL", args)
	}
	o.url, o.urls = args[0], args
	for _, url := range args {
		if err := checkURL(url); err != nil {
			return err
		}
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("bad URL: %w", err)
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "":
		return fmt.Errorf("bad URL %q: it must have the form ws://host:port/path, or wss://host:port/path with TLS", s)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("bad URL %q: port %s is not from 1 to 65535", s, port)
		}
	}
	return nil
}

// validate returns an error that names the first flag with a bad value.
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
			return fmt.Errorf("-pid: process %d does not exist on this machine", o.pid)
		}
	}
	for i := range o.fail {
		if err := o.fail[i].validate(o); err != nil {
			return err
		}
	}
	switch {
	case o.broadcasts():
		return o.validateBroadcast()
	case o.command == "follow":
		return o.validateFollow()
	}
	return nil
}

// validateFollow refuses the flags that the clients of follow, which are those of package client, do not have.
func (o *options) validateFollow() error {
	for _, name := range []string{"hello", "source", "header-file", "compress", "ramp", "abrupt"} {
		if o.set(name) {
			return fmt.Errorf("follow has no -%s", name)
		}
	}
	if err := hub.CheckName(o.topic); err != nil {
		return fmt.Errorf("-topic: %w", err)
	}
	return nil
}

// bounds is the range of a flag's value.
type bounds struct {
	name     string
	value    float64
	min, max float64
	has      bool // the subcommand has the flag
}

// inRange returns an error for the first value out of its range.
func inRange(all []bounds) error {
	for _, f := range all {
		if f.has && !(f.value >= f.min && f.value <= f.max) { // so that NaN is out
			return fmt.Errorf("-%s is %s; it must be from %s to %s", f.name, strconv.FormatFloat(f.value, 'f', -1, 64), comma(int64(f.min)), comma(int64(f.max)))
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
		return fmt.Errorf("-at is %v; its numbers must increase and be below -n, which is %d", o.at, o.n)
	case o.command == "churn" && o.set("n"):
		return errors.New("churn has no -n; use -duration or -count, and -concurrency for the number of connections at a time")
	case o.command == "churn" && o.ramp > 0:
		return errors.New("churn has no -ramp; use -concurrency for the number of connections at a time")
	case o.think > 0 && o.rate > 0:
		return errors.New("-think and -rate exclude each other: -rate fixes the time of each message")
	case o.think > 0 && o.pipeline > 1:
		return errors.New("-think and -pipeline exclude each other: with -think a connection has one message in flight")
	case len(o.hello) > 0 && (o.command == "echo" || o.command == "churn" || o.echo):
		return errors.New("-hello works only where nothing is echoed: idle without -echo, broadcast and slow")
	}
	return nil
}

func (o *options) validateBroadcast() error {
	if o.size < minBroadcast(o.text) {
		return fmt.Errorf("-size is %d; a broadcast needs at least %d bytes for its header", o.size, minBroadcast(o.text))
	}
	if o.publishURL != "" {
		if err := checkURL(o.publishURL); err != nil {
			return fmt.Errorf("-publish-url: %w", err)
		}
	}
	if o.command == "slow" {
		if strings.HasPrefix(o.url, "wss:") {
			return errors.New("slow does not support wss://, because its stalled subscribers are plain sockets; use a ws:// port")
		}
		if k := o.stalled.of(o.n); k < 1 || k >= o.n {
			return fmt.Errorf("-stalled is %v, which is %d of %d subscribers; at least one subscriber must stall and one must read", &o.stalled, k, o.n)
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
			return fmt.Errorf("%q is not an IP address", part)
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
			return fmt.Errorf("%q is not a whole number", part)
		}
		*n = append(*n, k)
	}
	return nil
}

// levels returns the numbers of connections at which idle measures: -at and -n.
func (o *options) levels() []int { return append(slices.Clip(o.at), o.n) }

// header is the value of -header.
type header http.Header

func (h *header) String() string { return "" }

func (h *header) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
		return fmt.Errorf("%q is not a header field; it must have the form \"Name: value\"", s)
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
			return fmt.Errorf("%q is not a share; it must be above 0%% and below 100%%", v)
		}
		*s = stalledShare{percent: f}
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of subscribers", v)
	}
	*s = stalledShare{number: n}
	return nil
}

// of returns the number of stalled subscribers among n.
func (s *stalledShare) of(n int) int {
	if s.percent > 0 {
		return max(1, int(float64(n)*s.percent/100))
	}
	return s.number
}
