package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// readBody reads a body of at most limit bytes. If it fails it answers the request. It refuses what it can refuse by the
// header alone before it reads anything, and so before the client is sent 100 (Continue).
func (a *app) readBody(w http.ResponseWriter, r *http.Request, limit int) (body []byte, ok bool) {
	tooLarge := fmt.Sprintf("the body is larger than the limit of %d bytes", limit)
	if r.ContentLength > int64(limit) {
		a.refuse(w, wsproto.Refuse(http.StatusRequestEntityTooLarge, tooLarge))
		return nil, false
	}
	if coding := codingOf(r.Header.Values("Content-Encoding")); coding != "" {
		refusal := wsproto.Refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding %.40q is not supported; send the body without a Content-Encoding", coding))
		refusal.Header = http.Header{"Accept-Encoding": {"identity"}} // RFC 9110, 15.5.16
		a.refuse(w, refusal)
		return nil, false
	}
	body, err := readAll(r, limit, visitOf(w).transfer)
	switch {
	case err == errBodySize:
		a.fail(w, http.StatusRequestEntityTooLarge, tooLarge)
	case err == errShed:
		a.fail(w, http.StatusServiceUnavailable, resume(w, "the server holds too many request bodies"))
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.fail(w, http.StatusRequestTimeout, "the body was not sent in time")
	case err != nil:
		a.fail(w, http.StatusBadRequest, "the body could not be read: "+err.Error())
	}
	return body, err == nil
}

var (
	errBodySize = errors.New("the body is too large")
	errShed     = errors.New("the transfer was shed")
)

// readAll reads a body of at most limit bytes, and counts the memory for it.
func readAll(r *http.Request, limit int, t *transfer) (body []byte, err error) {
	for {
		if len(body) == cap(body) {
			n := min(max(2*cap(body), firstRead, min(int(r.ContentLength)+1, 8*firstRead)), limit+1)
			if !t.grow(n - cap(body)) {
				return nil, errShed
			}
			body = append(make([]byte, 0, n), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return nil, errBodySize
		case err == io.EOF:
			return body, nil
		case err != nil && !t.grow(0):
			return nil, errShed
		case err != nil:
			return nil, err
		}
	}
}

// firstRead is the size of the first buffer for a body, in bytes, unless Content-Length says that the body is larger.
const firstRead = 4 << 10

// codingOf returns the first content coding other than identity, or "".
func codingOf(fields []string) string {
	for _, list := range fields {
		for coding := range strings.SplitSeq(list, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return coding
			}
		}
	}
	return ""
}

// kindOf returns JSON for application/json and types that end in +json, Text for text/*, and Binary for everything else.
// It ignores the parameters of the type, even if they are malformed.
func kindOf(contentType string) wire.Kind {
	if end := strings.IndexAny(contentType, ";,"); end >= 0 {
		contentType = contentType[:end]
	}
	media := strings.ToLower(strings.TrimSpace(contentType))
	switch {
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return wire.JSON
	case strings.HasPrefix(media, "text/"):
		return wire.Text
	}
	return wire.Binary
}
