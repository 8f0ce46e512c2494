package backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// start returns a Backend whose hooks are all at the URL, if they are not set.
func start(t testing.TB, url string, o Options) *Backend {
	t.Helper()
	for _, h := range o.all() {
		if h.URL == "" {
			h.URL = url
		}
		if h.Timeout == 0 {
			h.Timeout = time.Minute // real servers are slow on a loaded machine
		}
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		b.Close(ended)
	})
	return b
}

// serve runs an operator's server on the loopback interface.
func serve(t testing.TB, f http.HandlerFunc) (url string) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// answerWith answers with JSON.
func answerWith(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	io.WriteString(w, text)
}

// transport is an operator's server in memory, for tests in a bubble.
type transport func(*http.Request) (status int, body string, err error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r,
	}, nil
}

// hang is a server that does not answer.
func hang(r *http.Request) (int, string, error) {
	<-r.Context().Done()
	return 0, "", r.Context().Err()
}

const ok = `{"ok":{}}`

func subscribe(user, topic string) *Request {
	return &Request{Hook: Subscribe, User: user, Topic: topic}
}

// collected are the results of calls.
type collected struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (c *collected) done() Done {
	c.wg.Add(1)
	return func(_ Answer, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs = append(c.errs, err)
		c.wg.Done()
	}
}

// count returns how many calls have an error that is err; nil stands for granted calls.
func (c *collected) count(err error) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.errs {
		if errors.Is(e, err) {
			n++
		}
	}
	return n
}

// The requests that the documentation shows.
func TestRequests(t *testing.T) {
	var got []byte
	var header http.Header
	secret := []byte("very secret")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		header = r.Header
		if err := Verify(secret, r.Header.Get(SignatureHeader), got, time.Now(), time.Minute); err != nil || r.Method != "POST" {
			t.Errorf("%s: %v", r.Method, err)
		}
		answerWith(w, ok)
	})
	b := start(t, url, Options{Secret: secret, Token: "abc", Headers: []string{"cookie", "X-Two", "X-None"}})
	addr := netip.MustParseAddr("::ffff:203.0.113.7")
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Hook: Connect, Client: "c7Qp", Address: addr, User: "ann", Path: "/hub", Query: "room=1&x=<", Header: http.Header{
			"Cookie": {"a=1", "b=2"}, "X-Two": {"1", "2"}, "Authorization": {"not selected"},
		}, Topic: "not sent"}, `{"hook":"connect","client":"c7Qp","address":"203.0.113.7","user":"ann","path":"/hub","query":"room=1&x=<","headers":{"Cookie":"a=1; b=2","X-Two":"1, 2"}}`},
		{Request{Hook: Connect}, `{"hook":"connect"}`},
		{Request{Hook: Subscribe, Client: "c", User: "ann", Topic: "room/1", Key: "not sent"}, `{"hook":"subscribe","client":"c","user":"ann","topic":"room/1"}`},
		{Request{Hook: Publish, Topic: "t", Key: "k", Message: Message{JSON, []byte(`{"a": [1, 2]}`)}}, `{"hook":"publish","topic":"t","key":"k","data":{"a":[1,2]}}`},
		{Request{Hook: Publish, Topic: "t", Message: Message{Text, nil}}, `{"hook":"publish","topic":"t","text":""}`},
		{Request{Hook: Publish, Topic: "t", Message: Message{Binary, []byte{1, 2}}}, `{"hook":"publish","topic":"t","base64":"AQI="}`},
	} {
		if _, err := b.Do(t.Context(), &c.r); err != nil {
			t.Fatalf("%s: %v", c.want, err)
		}
		if string(got) != c.want {
			t.Errorf("sent %s\nwant %s", got, c.want)
		}
		if header.Get("Content-Type") != "application/json" || header.Get("Authorization") != "Bearer abc" || header["Idempotency-Key"] != nil {
			t.Errorf("headers %v", header)
		}
	}
	if _, err := b.Do(t.Context(), &Request{Hook: Publish, Message: Message{JSON, []byte(`{`)}}); err == nil {
		t.Error("a message that is not JSON is sent as JSON")
	}
}

// Members that are left out make more requests equal.
func TestOmit(t *testing.T) {
	r := Request{Hook: Connect, Client: "c", Address: netip.MustParseAddr("fe80::1%eth0"), User: "ann", Path: "/hub", Query: "q"}
	all, err := r.encode(nil, nil)
	if want := `{"hook":"connect","client":"c","address":"fe80::1","user":"ann","path":"/hub","query":"q"}`; string(all) != want || err != nil {
		t.Errorf("%s, %v", all, err)
	}
	some, err := r.encode(nil, omittable)
	if want := `{"hook":"connect","user":"ann"}`; string(some) != want || err != nil {
		t.Errorf("%s, %v", some, err)
	}
}

func TestNoHook(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Do(t.Context(), subscribe("a", "b")); err != ErrNoHook || b.Has(Subscribe) || (*Backend)(nil).Has(Connect) {
		t.Errorf("%v", err)
	}
	b.Close(t.Context())
}
