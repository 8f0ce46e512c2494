package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

// The defaults of Options.
const (
	DefaultTimeout       = 10 * time.Second
	DefaultMaxBatch      = 500
	DefaultBatchDelay    = 100 * time.Millisecond
	DefaultHoldEnds      = 3 * time.Second
	DefaultMaxQueue      = 65536
	DefaultMaxQueueBytes = 16 << 20
	DefaultRetryDelay    = time.Second
	DefaultMaxRetryDelay = time.Minute
	DefaultGiveUpAfter   = 15 * time.Minute
)

// Options are the options of Webhooks. 0 means the default, unless it says otherwise.
type Options struct {
	// URLs are the endpoints, http:// or https://. [Webhooks.Set] cannot change them.
	URLs []string
	// Events are the types of the events that are sent; nil means all.
	Events []string
	// Topics are names and patterns, as those of rights, of the topics whose events are sent; nil means ">". The topics of
	// users match only @NAME and @>.
	Topics []string

	// Secrets are the keys of the signatures; without one, requests are not signed. Token goes into the header
	// Authorization, if it is not empty.
	Secrets [][]byte
	Token   string

	Timeout    time.Duration // of a request, to the end of the response
	MaxBatch   int           // events of a request
	BatchDelay time.Duration // from an event to its first request, unless a batch is full before; none if negative
	HoldEnds   time.Duration // for which topic.vacated and presence.left are held; none if negative

	MaxQueue      int // events that wait for an endpoint, those of the request under way included
	MaxQueueBytes int // the memory for these

	RetryDelay    time.Duration // before the first repetition
	MaxRetryDelay time.Duration // which the delay reaches by doubling; at least RetryDelay
	GiveUpAfter   time.Duration // the age at which events become dead letters

	// Transport sends requests; nil means one of the Webhooks' own.
	Transport http.RoundTripper
	// Logger is told of failures; nil means slog.Default().
	Logger *slog.Logger
}

// WithDefaults returns the options with their defaults.
func (o Options) WithDefaults() Options {
	set(&o.Timeout, DefaultTimeout)
	set(&o.MaxBatch, DefaultMaxBatch)
	set(&o.BatchDelay, DefaultBatchDelay)
	set(&o.HoldEnds, DefaultHoldEnds)
	set(&o.MaxQueue, DefaultMaxQueue)
	set(&o.MaxQueueBytes, DefaultMaxQueueBytes)
	set(&o.RetryDelay, DefaultRetryDelay)
	set(&o.MaxRetryDelay, max(DefaultMaxRetryDelay, o.RetryDelay))
	set(&o.GiveUpAfter, DefaultGiveUpAfter)
	set(&o.Logger, slog.Default())
	if o.Events == nil {
		o.Events = Types[:]
	}
	if o.Topics == nil {
		o.Topics = []string{">"}
	}
	return o
}

func set[T comparable](v *T, to T) {
	if *v == *new(T) {
		*v = to
	}
}

// Validate returns all mistakes, each with the name of its field. Secrets and URLs are not in it.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var all []error
	if len(o.URLs) == 0 {
		all = append(all, errors.New("URLs is empty; it must have the URL of an endpoint"))
	}
	for i, text := range o.URLs {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			all = append(all, fmt.Errorf("URLs[%d] is not right; it must be like https://example.com/path", i))
		}
	}
	for _, t := range o.Events {
		all = append(all, CheckType(t))
	}
	for _, t := range o.Topics {
		all = append(all, CheckTopic(t))
	}
	for _, l := range []struct {
		name string
		n    int64
	}{
		{"Timeout", int64(o.Timeout)}, {"MaxBatch", int64(o.MaxBatch)}, {"MaxQueue", int64(o.MaxQueue)}, {"MaxQueueBytes", int64(o.MaxQueueBytes)},
		{"RetryDelay", int64(o.RetryDelay)}, {"MaxRetryDelay", int64(o.MaxRetryDelay - o.RetryDelay + 1)}, {"GiveUpAfter", int64(o.GiveUpAfter)},
	} {
		if l.n < 1 {
			all = append(all, fmt.Errorf("%s is too small; it must be above 0, and MaxRetryDelay not below RetryDelay", l.name))
		}
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		all = append(all, errors.New("the token has a character that a header cannot have"))
	}
	return errors.Join(all...)
}

// CheckType returns an error unless it is the type of an event.
func CheckType(t string) error {
	if !slices.Contains(Types[:], t) {
		return fmt.Errorf("%q is not an event; it must be one of %s", t, strings.Join(Types[:], ", "))
	}
	return nil
}

// CheckTopic returns an error unless Options.Topics may have the pattern.
func CheckTopic(pattern string) error {
	if strings.Contains(pattern, "{") {
		return fmt.Errorf("%q stands for the topics of one user; it must be a name or a pattern, or @> for all topics of users", pattern)
	}
	return rights.CheckPattern(pattern)
}

// inForce are options with what follows from them.
type inForce struct {
	Options
	wanted [kinds]bool
	topics *rights.Rights
}

func (o Options) compile() (*inForce, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	f := &inForce{Options: o.WithDefaults()}
	for k, t := range Types {
		f.wanted[k] = slices.Contains(f.Events, t)
	}
	var err error
	f.topics, err = rights.Compile(rights.Grants{Read: slices.Clone(f.Topics)})
	return f, err
}

// wants reports whether an event is sent.
func (f *inForce) wants(e *event) bool {
	return f.wanted[e.kind] && (e.Topic == "" || f.topics.May(rights.Read, e.Topic))
}
