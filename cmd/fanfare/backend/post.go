package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/retryafter"
)

// response is what became of a request.
type response struct {
	reply   reply
	bytes   int // of the body
	took    time.Duration
	failure *failure
	given   bool // the request was given up: nobody waits, or the Backend is closed
	hurried bool // the request was given up after less than half of the time, because it had waited in the queue
	skipped bool // the request was not sent
}

// post sends a request. It returns when ctx ends, at the latest.
func (e *endpoint) post(ctx context.Context, body []byte) (r response) {
	start := time.Now()
	var err error
	r.reply, r.bytes, err = e.exchange(ctx, body)
	r.took = time.Since(start)
	if err == nil || errors.As(err, &r.failure) {
		return r
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		r.given = true
	case ctx.Err() != nil && r.took < e.own.Timeout/2:
		r.hurried = true
	case ctx.Err() != nil:
		r.failure = &failure{kind: timedOut, text: fmt.Sprintf("no answer after %v", r.took.Round(time.Millisecond))}
	default:
		r.failure = &failure{kind: unreachable, text: httpurl.WithoutURL(err).Error()}
	}
	return r
}

func (e *endpoint) exchange(ctx context.Context, body []byte) (r reply, size int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.own.URL, bytes.NewReader(body))
	if err != nil {
		return r, 0, err
	}
	e.head(req, body)
	resp, err := e.client.Do(req)
	if err != nil {
		return r, 0, err
	}
	defer resp.Body.Close()
	refuses := refuses(resp.StatusCode)
	if resp.StatusCode != http.StatusOK && !refuses {
		return r, 0, failedStatus(resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(e.opts.MaxAnswer)+1))
	if err != nil {
		return r, 0, err
	}
	r, err = e.read(resp, b, refuses)
	return r, len(b), err
}

// refuses reports whether a status refuses the call. Such an answer is about the call: if it counted as a failure, a
// client could choose calls that make the backend look down for all others.
func refuses(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// failedStatus returns the failure for a status that neither answers nor refuses.
func failedStatus(resp *http.Response) *failure {
	text := fmt.Sprintf("the response is %.40q; it must be 200, or 4xx to refuse", resp.Status)
	f := &failure{kind: badStatus, text: text}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		f.retry = retryafter.Parse(resp.Header, time.Now())
	}
	return f
}

func (e *endpoint) head(req *http.Request, body []byte) {
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {"fanfare"},
		// A request on a connection that the backend has closed meanwhile is sent again.
		"Idempotency-Key": nil,
	}
	if e.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+e.opts.Token)
	}
	if len(e.opts.Secret) > 0 {
		req.Header.Set(SignatureHeader, sign(e.opts.Secret, time.Now(), body))
	}
}

// read decodes the body of a response. A status that refuses needs no body.
func (e *endpoint) read(resp *http.Response, b []byte, refuses bool) (reply, error) {
	status := reply{refusal: &Refusal{Code: resp.StatusCode}, cache: -1}
	contentType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch usable := contentType == "application/json"; {
	case refuses && (!usable || len(b) > e.opts.MaxAnswer):
		return status, nil
	case len(b) > e.opts.MaxAnswer:
		return status, &failure{kind: badAnswer, text: fmt.Sprintf("the answer has more than %d bytes", e.opts.MaxAnswer)}
	case !usable:
		text := fmt.Sprintf("the answer is %.40q; it must be application/json", contentType)
		return status, &failure{kind: badAnswer, text: text}
	}
	r, err := e.hook.decode(b)
	switch {
	case refuses && (err != nil || r.refusal == nil):
		return status, nil
	case err != nil:
		return status, &failure{kind: badAnswer, text: fmt.Sprintf("the answer is not valid: %v", err)}
	}
	return r, nil
}
