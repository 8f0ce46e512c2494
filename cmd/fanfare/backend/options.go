package backend

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of Options and HookOptions.
const (
	DefaultTimeout         = 5 * time.Second
	DefaultMaxConcurrent   = 64
	DefaultMaxWaiting      = 16384
	DefaultMaxWaitingBytes = 32 << 20
	DefaultMaxAnswer       = 64 << 10
	DefaultMaxCache        = time.Hour
	DefaultCacheBytes      = 16 << 20
	DefaultMaxFallback     = 5 * time.Minute
)

// DefaultHeaders are the request headers that connect hooks get.
var DefaultHeaders = []string{"Authorization", "Cookie"}

// Options are the options of a Backend. 0 means the default of a limit.
type Options struct {
	Connect, Subscribe, Publish HookOptions

	// Headers are the names of the request headers that connect hooks get; nil means DefaultHeaders.
	Headers []string

	// Limits of each hook.
	MaxConcurrent   int // requests under way
	MaxWaiting      int // calls that wait for an answer, at most three quarters of them of one owner
	MaxWaitingBytes int // bodies of requests that wait, at most three quarters of one owner
	MaxAnswer       int // bytes of an answer
	CacheBytes      int // answers that are kept, with about 200 bytes for each besides its body

	Breaker Breaker

	// Secret is the key of the signature, and Token goes into the header Authorization. Either may be empty.
	Secret []byte
	Token  string

	// TLS is for https://; nil means the system's authorities, with TLS 1.2 or later.
	TLS *tls.Config

	// Transport sends requests; nil means one of the Backend's own, with TLS.
	Transport http.RoundTripper

	// Logger is told of failures; nil means slog.Default().
	Logger *slog.Logger
}

// HookOptions are the options of one hook.
type HookOptions struct {
	URL      string        // http:// or https://; empty turns the hook off
	Timeout  time.Duration // from the call to the answer, waiting included; 0 means DefaultTimeout
	Cache    time.Duration // for which answers are kept that do not say; 0 means that they are not
	MaxCache time.Duration // for which answers are kept at most; 0 means DefaultMaxCache, or Cache if that is more
	Omit     []string      // members of requests that are not sent: client, address, path, query
	Fallback Fallback
	// MaxFallback is how long what Fallback grants lasts (Answer.Expires); 0 means DefaultMaxFallback. A client whose
	// identity ends then connects again, and the backend is asked.
	MaxFallback time.Duration
}

// Fallback says what happens when the backend is down. The zero value denies.
type Fallback struct {
	Allow bool
	Rights
}

// Breaker are the options of the circuit breakers. 0 means the default.
type Breaker struct {
	Failures int           // in a row that open it; 10
	Share    float64       // of failures among the last 64 requests that opens it; 0.5. Above 1 never
	Pause    time.Duration // until the first probe, give or take a quarter; 1s
	MaxPause time.Duration // which the pause reaches by doubling; 30s
}

// all returns the options of the hooks, by Hook.
func (o *Options) all() [hooks]*HookOptions {
	return [hooks]*HookOptions{&o.Connect, &o.Subscribe, &o.Publish}
}

func setDefault[T comparable](v *T, to T) {
	if *v == *new(T) {
		*v = to
	}
}

// WithDefaults returns the options with their defaults.
func (o Options) WithDefaults() Options {
	o.setDefaults()
	return o
}

// setDefaults fills in the defaults. o is a copy, whose slices belong to the caller.
func (o *Options) setDefaults() {
	setDefault(&o.MaxConcurrent, DefaultMaxConcurrent)
	setDefault(&o.MaxWaiting, DefaultMaxWaiting)
	setDefault(&o.MaxWaitingBytes, DefaultMaxWaitingBytes)
	setDefault(&o.MaxAnswer, DefaultMaxAnswer)
	setDefault(&o.CacheBytes, DefaultCacheBytes)
	setDefault(&o.Breaker.Failures, 10)
	setDefault(&o.Breaker.Share, 0.5)
	setDefault(&o.Breaker.Pause, time.Second)
	setDefault(&o.Breaker.MaxPause, max(30*time.Second, o.Breaker.Pause))
	setDefault(&o.Logger, slog.Default())
	for _, h := range o.all() {
		setDefault(&h.Timeout, DefaultTimeout)
		setDefault(&h.MaxCache, max(DefaultMaxCache, h.Cache))
		setDefault(&h.MaxFallback, DefaultMaxFallback)
	}
	if o.Headers == nil {
		o.Headers = DefaultHeaders
	}
	o.Headers = slices.Clone(o.Headers)
	for i, name := range o.Headers {
		o.Headers[i] = http.CanonicalHeaderKey(name)
	}
}

// Validate returns all mistakes, each with the name of its field. Secrets are not in it.
func (o Options) Validate() error {
	o.setDefaults()
	var all []error
	for i, h := range o.all() {
		if err := h.validate(); err != nil {
			all = append(all, fmt.Errorf("%s hook: %w", Hook(i), err))
		}
	}
	for _, l := range []struct {
		name string
		n    int
	}{
		{"MaxConcurrent", o.MaxConcurrent}, {"MaxWaiting", o.MaxWaiting}, {"MaxWaitingBytes", o.MaxWaitingBytes},
		{"MaxAnswer", o.MaxAnswer}, {"CacheBytes", o.CacheBytes}, {"Breaker.Failures", o.Breaker.Failures},
	} {
		if l.n < 1 {
			all = append(all, fmt.Errorf("%s is %d; it must be at least 1", l.name, l.n))
		}
	}
	return errors.Join(append(all, o.Breaker.validate(), o.validateHeaders())...)
}

func (b Breaker) validate() error {
	switch {
	case !(b.Share > 0):
		return fmt.Errorf("Breaker.Share is %v; it must be above 0", b.Share)
	case b.Pause < 0:
		return fmt.Errorf("Breaker.Pause is %v; it must be above 0", b.Pause)
	case b.MaxPause < b.Pause:
		return fmt.Errorf("Breaker.MaxPause is %v; it must be at least Pause, %v", b.MaxPause, b.Pause)
	}
	return nil
}

func (o *Options) validateHeaders() error {
	for _, name := range o.Headers {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return fmt.Errorf("header %q is no name of a header", name)
		}
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return errors.New("the token has a character that a header cannot have")
	}
	return nil
}

// CheckOmitted returns an error unless HookOptions.Omit may have the name.
func CheckOmitted(name string) error {
	if !slices.Contains(omittable, name) {
		return fmt.Errorf("%q cannot be omitted; %s can", name, strings.Join(omittable, ", "))
	}
	return nil
}

func (h *HookOptions) validate() error {
	if h.Timeout < 0 || h.Cache < 0 || h.MaxCache < h.Cache {
		return fmt.Errorf("timeout %v, cache %v, at most %v: none may be negative, and the second at most the third", h.Timeout, h.Cache, h.MaxCache)
	}
	if h.MaxFallback < 0 {
		return fmt.Errorf("MaxFallback is %v; it must be above 0", h.MaxFallback)
	}
	for _, name := range h.Omit {
		if err := CheckOmitted(name); err != nil {
			return err
		}
	}
	if h.URL == "" {
		return nil
	}
	// The URL may contain a secret, so the errors do not.
	u, err := url.Parse(h.URL)
	switch {
	case err != nil:
		return errors.New("the URL is malformed; it must be like https://example.com/path")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the URL begins with %.20q; it must begin with http:// or https://", u.Scheme)
	case u.Host == "":
		return errors.New("the URL has no host; it must be like https://example.com/path")
	}
	return nil
}
