package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/retryafter"
)

// response is what became of a request.
type response struct {
	took       time.Duration
	failure    *failure
	retryAfter time.Duration
	givenUp    bool // Close has given it up
}

// failure is why a request has failed. Its text contains no URL.
type failure struct {
	kind failureKind
	text string
}

func (f *failure) Error() string { return f.text }

type failureKind uint8

const (
	timedOut failureKind = iota
	unreachable
	badStatus
	failureKinds
)

// FailureNames are the causes that EndpointStats.Failures counts.
var FailureNames = [failureKinds]string{"timeout", "unreachable", "status"}

// newTransport returns a Transport for a few hosts, each with one request at a time.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true // nothing of the response is used
	return t
}

// post sends a request.
func (e *endpoint) post(o *inForce, id string, body []byte) (r response) {
	ctx, cancel := context.WithTimeout(e.ctx, o.Timeout)
	defer cancel()
	start := time.Now()
	resp, err := e.exchange(ctx, o, id, body)
	r.took = time.Since(start)
	switch {
	case e.ctx.Err() != nil && err != nil:
		r.givenUp = true
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil:
		r.failure = &failure{timedOut, fmt.Sprintf("no answer after %v", r.took.Round(time.Millisecond))}
	case err != nil:
		r.failure = &failure{unreachable, httpurl.WithoutURL(err).Error()}
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		r.failure = &failure{badStatus, fmt.Sprintf("the response is %.40q; it must be 200 to 299", resp.Status)}
		r.retryAfter = retryafter.Parse(resp.Header, time.Now())
	}
	return r
}

// exchange returns the response, whose body has been read as far as the connection can be used again.
func (e *endpoint) exchange(ctx context.Context, o *inForce, id string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"fanfare"}, idHeader: {id}, timeHeader: {at},
		// A request on a connection that the endpoint has closed meanwhile is sent again.
		"Idempotency-Key": nil,
	}
	if len(o.Secrets) > 0 {
		req.Header.Set(SignatureHeader, sign(o.Secrets, id, at, body))
	}
	if o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+o.Token)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the status says all
	return resp, nil
}
