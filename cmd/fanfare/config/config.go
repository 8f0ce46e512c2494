package config

import (
	"log/slog"
	"time"
)

// Config is what an operator can set. A value is immutable once [Load] has returned it.
//
// The tags of a field are all that the program knows about it: default, help, placeholder and group are those of package
// kong; toml is its key in the file, by default the name of the field in kebab case, as that of its flag; min is its least
// value; live:"" says that the program applies a change while it runs; secret:"" masks the value, and shown:"host" all of a URL but scheme and host; derived describes a
// default that depends on other fields; unless:"given" says that to give the default is not the same as to give nothing.
// A field with kong:"-" has no flag.
type Config struct {
	File          string `name:"config" toml:"-" placeholder:"FILE" group:"General" help:"read the settings from this file, in TOML. Flags override the environment, which overrides the file. fanfare config prints a file with all settings and their defaults"`
	Verbose       bool   `group:"General" live:"" help:"log every refused handshake, as -log-level debug does. Without this flag the server logs those that a flag would allow, at most one of each kind in ten seconds"`
	Compress      bool   `group:"General" help:"compress messages for clients that offer it (permessage-deflate, without context takeover)"`
	CompressLevel int    `default:"5" min:"1" placeholder:"N" group:"General" help:"effort of -compress, from 1, the least CPU, to 9, the fewest bytes. A broadcast is compressed once for all clients"`
	CPUProfile    string `name:"cpuprofile" toml:"-" placeholder:"FILE" group:"General" help:"write a CPU profile to this file"`

	Listen []Listener `name:"addr" placeholder:"ADDRESS" default:"localhost:8080" group:"Listeners" help:"listen on host:port, :port, [IPv6]:port, unix:/path, or systemd:NAME for a socket of systemd. The flag may be repeated, and takes several addresses with commas between them. Options of a listener follow its address: 'unix:/run/fanfare.sock mode=0660', 'host:port tls=off', 'host:port proxy-protocol'"`
	Admin  Admin      `embed:"" group:"Listeners"`

	TLS      TLS      `embed:"" group:"TLS"`
	Topics   []Topic  `name:"topic" toml:"topic" placeholder:"RULE" group:"Topics" live:"" help:"rule for topics, 'PATTERN key=value ...', such as 'prices.> slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence'. The flag may be repeated; the first rule whose pattern matches a topic applies. @> matches the topics of users"`
	Access   Access   `embed:"" group:"Access"`
	Token    Token    `embed:"" prefix:"jwt-" group:"Tokens (JWT)"`
	Backend  Backend  `embed:"" prefix:"backend-" group:"Backend"`
	Webhooks Webhooks `embed:"" prefix:"webhook-" group:"Webhooks"`
	NATS     NATS     `toml:"nats" embed:"" group:"Cluster (NATS)"`
	Cluster  Cluster  `embed:"" group:"Cluster (NATS in this process)"`
	Limits   Limits   `embed:"" group:"Limits"`
	Shutdown Shutdown `embed:"" group:"Shutdown"`
	Log      Log      `embed:"" prefix:"log-" group:"Log"`

	sources map[string]Source
	given   rightsGiven
}

// rightsGiven are the rights as the operator gave them: nil where they depend on other fields.
type rightsGiven struct {
	anonymous Anonymous
	users     Users
}

// Log is how the server writes its log, to stderr.
type Log struct {
	Format string `placeholder:"WORD" default:"text" help:"form of the log: text, or json, one object a line, which also has what the server otherwise prints for people"`
	Level  string `placeholder:"WORD" default:"info" live:"" help:"least level that is logged: debug, info, warn or error"`
}

// JSON reports whether programs read the log.
func (l *Log) JSON() bool { return l.Format == "json" }

// SlogLevel returns the level.
func (l *Log) SlogLevel() (level slog.Level) {
	_ = level.UnmarshalText([]byte(l.Level)) // Load has checked it
	return level
}

// Admin is the listener for operators.
type Admin struct {
	Addr string `name:"admin" placeholder:"ADDRESS" help:"listen for operators on this address, in the form of -addr; empty for no such listener"`
}

// Secure reports whether listeners speak TLS unless they say otherwise.
func (c *Config) Secure() bool { return c.TLS.Cert != "" || len(c.TLS.ACME.Domains) > 0 }

// Shutdown is how the server stops.
type Shutdown struct {
	Grace  time.Duration `name:"shutdown-grace" placeholder:"TIME" default:"1s" min:"0" help:"time from SIGTERM in which the server still accepts connections but is no longer ready, so that load balancers notice"`
	Window time.Duration `name:"shutdown-window" placeholder:"TIME" default:"8s" min:"0" help:"time after that over which the connections are closed, each at a random moment, so that not all clients return at once"`
	Drain  time.Duration `placeholder:"TIME" default:"10s" min:"0" help:"longest time to wait at shutdown for delivery and closing handshakes, and for webhooks, for which the last quarter is kept"`
}
