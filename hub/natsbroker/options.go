package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// Options configure a [Broker]. All nodes of a cluster must have the same Prefix, Stream and Topic.
type Options struct {
	// URLs are servers of one NATS cluster, such as nats://host:4222 or tls://host. A node
	// connects to one of them, and to another one, or one that these have told it about, when
	// the connection is lost. nats://127.0.0.1:4222 if empty.
	URLs []string
	// Dial, if not nil, makes all connections instead of the network, for example to a server in
	// the same process (InProcessConn of nats-server). URLs then only say who connects, and there
	// are no other servers. It may be called from any goroutine, and must return when ctx is done.
	Dial func(ctx context.Context) (net.Conn, error)
	// Name is the name of the connection in the monitoring of NATS.
	Name string

	// Prefix begins all subjects; "fanfare" if empty. Clusters with different prefixes can share
	// NATS.
	Prefix string
	// Stream is the name of the stream. If it is empty, the name is the prefix in upper case.
	Stream string
	// Replicas is how many servers store each message: 1 if 0.
	Replicas int
	// Memory keeps the stream in the servers' memory instead of in files.
	Memory bool
	// MaxMessages is how many messages of each topic the stream keeps: at least as many as the
	// history of any topic. DefaultMaxMessages if 0.
	MaxMessages int
	// MaxBytes is the size of the stream. What exceeds it removes the oldest messages of all
	// topics. DefaultMaxBytes if 0, no limit if negative.
	MaxBytes int64
	// NoCreate says that somebody else creates the stream and configures it as [StreamConfig]
	// does. Otherwise the broker creates the stream, or changes it, when it connects for the
	// first time, and creates it again if it is missing.
	NoCreate bool

	// Topic is hub.Options.Topic. It says how long the stream keeps the messages of a topic.
	Topic func(name string) *hub.TopicOptions
	// MinAge is how long the stream keeps the messages of topics without history at least, for
	// nodes that have lost their connection. DefaultMinAge if 0.
	MinAge time.Duration

	Credentials string // file with a JWT and the seed of its key
	NKeySeed    string // file with the seed of an NKey
	CA          string // file with certificates of authorities, in place of the system's
	Cert, Key   string // files with the certificate of this client, and its key

	// Lease is how long a node counts as alive after it was heard of last, at least a second. It must
	// be longer than nodes take to connect to another server. DefaultLease if 0.
	Lease time.Duration
	// MaxPeerState is how many bytes of another node's state are kept. What exceeds it is left out.
	// DefaultMaxPeerState if 0.
	MaxPeerState int

	// CheckEvery is the time between two comparisons with the stream. DefaultCheckEvery if 0.
	CheckEvery time.Duration
	// MaxQueue is how many bytes of messages may wait for the hub. With more, they are dropped,
	// and fetched when the hub has caught up. DefaultMaxQueue if 0.
	MaxQueue int
	// MaxPending is how many bytes of published messages may be without an answer. With more,
	// publishing fails. DefaultMaxPending if 0.
	MaxPending int

	// OnError is called with what keeps the broker from working, and with messages of other programs
	// that it leaves out, from any goroutine. It gets the same text once in ten seconds at most. It
	// must not block.
	OnError func(error)
}

// The defaults of Options.
const (
	DefaultPrefix       = "fanfare"
	DefaultMaxMessages  = 10_000
	DefaultMaxBytes     = 1 << 30
	DefaultMinAge       = 30 * time.Second
	DefaultLease        = 10 * time.Second
	DefaultMaxPeerState = 64 << 20
	DefaultCheckEvery   = 5 * time.Second
	DefaultMaxQueue     = 64 << 20
	DefaultMaxPending   = 64 << 20
)

// withDefaults returns o with its zero fields replaced by the defaults, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if len(o.URLs) == 0 {
		o.URLs = []string{nats.DefaultURL}
	}
	fill(&o.Prefix, DefaultPrefix)
	fill(&o.Stream, strings.ReplaceAll(strings.ToUpper(o.Prefix), ".", "_"))
	fill(&o.Replicas, 1)
	fill(&o.MaxMessages, DefaultMaxMessages)
	fill(&o.MaxBytes, DefaultMaxBytes)
	fill(&o.MinAge, DefaultMinAge)
	fill(&o.Lease, DefaultLease)
	fill(&o.MaxPeerState, DefaultMaxPeerState)
	fill(&o.CheckEvery, DefaultCheckEvery)
	fill(&o.MaxQueue, DefaultMaxQueue)
	fill(&o.MaxPending, DefaultMaxPending)
	return o, o.check()
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o *Options) check() error {
	switch {
	case !plain(o.Prefix):
		return fmt.Errorf("natsbroker: Options.Prefix is %q; it must be letters, digits, - and _, and dots between them", o.Prefix)
	case !plain(o.Stream) || strings.Contains(o.Stream, "."):
		return fmt.Errorf("natsbroker: Options.Stream is %q; it must be letters, digits, - and _", o.Stream)
	case o.Replicas < 1 || o.Replicas > 5:
		return fmt.Errorf("natsbroker: Options.Replicas is %d; NATS allows 1 to 5", o.Replicas)
	case o.MaxMessages < 1:
		return fmt.Errorf("natsbroker: Options.MaxMessages is %d; it must be positive", o.MaxMessages)
	case o.MinAge < time.Second:
		return fmt.Errorf("natsbroker: Options.MinAge is %v; it must be at least a second", o.MinAge)
	case o.Lease < time.Second || o.Lease > maxLease:
		return fmt.Errorf("natsbroker: Options.Lease is %v; it must be 1s to %v", o.Lease, maxLease)
	case o.CheckEvery < 0, o.MaxQueue < 0, o.MaxPending < 0, o.MaxPeerState < 0:
		return errors.New("natsbroker: Options.CheckEvery, MaxQueue, MaxPending and MaxPeerState must not be negative")
	case o.Credentials != "" && o.NKeySeed != "":
		return errors.New("natsbroker: Options has both Credentials and NKeySeed; one of them is enough")
	case (o.Cert == "") != (o.Key == ""):
		return errors.New("natsbroker: Options.Cert and Options.Key belong together, and only one of them is set")
	}
	for _, s := range o.URLs {
		if _, err := parseURL(s); err != nil {
			return err
		}
	}
	return nil
}

// parseURL parses the URL of a server; without a scheme it is nats. The error does not show the
// password, and therefore nothing of what package url says about it.
func parseURL(s string) (*url.URL, error) {
	full := s
	if !strings.Contains(s, "://") {
		full = "nats://" + s
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || strings.Contains(full, ",") {
		return nil, fmt.Errorf("natsbroker: Options.URLs has %q, leaving out who connects; it must be like nats://host:4222", s[strings.LastIndexByte(s, '@')+1:])
	}
	return u, nil
}

// plain reports whether s is letters, digits, - and _, with dots between them.
func plain(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

// age returns how long a node may rely on the messages of a topic or pattern being stored.
func (o *Options) age(subject string) time.Duration {
	var h hub.History
	if o.Topic != nil && !hub.IsPattern(subject) { // topics of all kinds may match a pattern
		if t := o.Topic(subject); t != nil {
			h = t.History
		}
	}
	if h.Messages <= 0 && h.Bytes <= 0 {
		return o.MinAge
	}
	fill(&h.Age, time.Hour) // as in hub.History
	return max(h.Age, o.MinAge)
}

// ttlSlack is how much longer than necessary the stream keeps messages: the clocks of nodes and
// servers differ.
const ttlSlack = 30 * time.Second

// ttl returns the header for a message that nodes rely on for that long: whole seconds.
func (o *Options) ttl(age time.Duration) string {
	return strconv.Itoa(int((age + ttlSlack + time.Second - 1) / time.Second))
}

// connectOptions returns the options for NATS that say who connects, and how.
func (o *Options) connectOptions() ([]nats.Option, error) {
	all := []nats.Option{nats.Name(o.Name)}
	if o.Dial != nil {
		all = append(all, nats.SkipHostLookup())
	}
	if o.Credentials != "" {
		all = append(all, nats.UserCredentials(o.Credentials))
	}
	if o.NKeySeed != "" {
		key, err := nats.NkeyOptionFromSeed(o.NKeySeed)
		if err != nil {
			return nil, fmt.Errorf("natsbroker: Options.NKeySeed: %w", err)
		}
		all = append(all, key)
	}
	if o.CA != "" {
		all = append(all, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		all = append(all, nats.ClientCert(o.Cert, o.Key))
	}
	return all, nil
}
