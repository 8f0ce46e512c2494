package top

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
)

const (
	timeout    = 10 * time.Second // of a request
	maxAnswer  = 16 << 20         // bytes
	statusPath = "/api/status"
)

// server is the listener of operators that is asked.
type server struct {
	name   string // for people
	base   *url.URL
	key    string
	client *http.Client
}

// newServer returns the server at an address. trust are the options for TLS; nil for those of this machine.
func newServer(a serveraddr.Address, key string, trust *tls.Config) *server {
	s := &server{name: a.URL.Host, base: a.URL, key: key}
	if a.Socket != "" {
		s.name = a.String()
	}
	t := a.Transport(trust, false)
	t.MaxConnsPerHost, t.IdleConnTimeout = 4, 30*time.Second
	s.client = &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the key is for this server only
	}}
	return s
}

func (s *server) close() { s.client.CloseIdleConnections() }

// get asks for a path with a query, and decodes the answer into v.
func (s *server) get(ctx context.Context, path string, v any) error {
	b, err := s.read(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return s.noOperators(path)
	}
	return nil
}

func (s *server) read(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.String()+path, nil)
	if err != nil {
		return nil, err
	}
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, s.explain(httpurl.WithoutURL(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, s.explain(err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, s.refusal(path, resp.StatusCode, b)
	}
	return b, nil
}

// explain returns the error of a server that cannot be reached.
func (s *server) explain(err error) error {
	if isRefused(err) {
		return fmt.Errorf("%s: nothing listens there; is the server up, and started with -admin at this address?", s.name)
	}
	var timed net.Error
	if errors.As(err, &timed) && timed.Timeout() {
		return fmt.Errorf("%s: no answer within %v", s.name, timeout)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// statusError is an answer with an error status.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func (s *server) refusal(path string, status int, body []byte) error {
	var answer struct{ Error string }
	_ = json.Unmarshal(body, &answer)
	e := &statusError{status, fmt.Sprintf("%s: status %d: %.200s", s.name, status, clean(answer.Error))}
	switch {
	case status == http.StatusUnauthorized && s.key == "":
		e.text = fmt.Sprintf("%s asks for a key: give a file with it as -key-file FILE, or set %s", s.name, keyFileVariable)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.text = fmt.Sprintf("%s does not accept the key: %.300s", s.name, clean(answer.Error))
	case path == statusPath && (status == http.StatusNotFound || answer.Error == ""):
		return s.noOperators(path)
	}
	return e
}

// noOperators returns the error of something that is not the listener of operators.
func (s *server) noOperators(path string) error {
	return fmt.Errorf("%s has no %s, so it is not the listener of operators: start the server with -admin HOST:PORT, and give that address", s.name, strings.SplitN(path, "?", 2)[0])
}
