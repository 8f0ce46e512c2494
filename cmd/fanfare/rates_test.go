package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The rates of users and topics hold for messages that come over HTTP, too. A message above the burst is admitted, and takes
// the time of those that follow.
func TestRatesOverHTTP(t *testing.T) {
	p := start(t, "-topic-byte-rate", "1", "-user-byte-rate", "1", "-user-header", "X-User")
	post := func(path, user, body string) (*http.Response, string) {
		t.Helper()
		resp := p.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nX-User: %s\r\nContent-Length: %d\r\n\r\n%s", path, user, len(body), body))
		b, _ := io.ReadAll(resp.Body)
		return resp, string(b)
	}
	long := strings.Repeat("x", 3600)
	for _, c := range []struct{ path, user, refused string }{
		{"/topics/a", "", ""}, {"/topics/a", "", "this topic"}, {"/topics/b", "ada", ""}, {"/topics/c", "ada", "user ada"}, {"/users/bob", "", ""}, {"/users/bob", "", "this topic"},
	} {
		resp, body := post(c.path, c.user, long)
		if refused := resp.StatusCode == http.StatusTooManyRequests; refused != (c.refused != "") || !strings.Contains(body, c.refused) || (resp.Header.Get("Retry-After") != "") != refused {
			t.Errorf("%+v: %s %v %s", c, resp.Status, resp.Header, body)
		}
	}
	resp, body := post("/publish", "", `{"messages":[{"topic":"a","text":"x"},{"topic":"d","text":"x"}]}`)
	if resp.StatusCode != http.StatusOK || strings.Count(body, "the rate limit of this topic") != 1 || strings.Count(body, "position") != 1 {
		t.Errorf("%s %s", resp.Status, body)
	}
}
