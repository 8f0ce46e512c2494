package wsproto

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestHeadEnd(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int
	}{
		{"", 0},
		{"GET / HTTP/1.1\r\n", 0},
		{"GET / HTTP/1.1\r\n\r", 0},
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"GET / HTTP/1.1\r\n\r\nbody\r\n\r\n", 18},
		{"GET / HTTP/1.1\r\nA: b\r\n\r\n", 24},
		{"GET / HTTP/1.1\n\n", 16},
		{"GET / HTTP/1.1\n\r\n", 17},
		{"GET / HTTP/1.1\r\n\n", 17},
		{"GET / HTTP/1.1\r\r\n", 0},
		{"\r\n\r\n", 4},
		{"\n", 0},
	} {
		if got := headEnd([]byte(tt.in)); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.in, got, tt.want)
		}
	}
}

// FuzzRequest gives requests to this package and to net/http. A request that both accept must
// mean the same to both, or a server behind this one could be deceived.
func FuzzRequest(f *testing.F) {
	for _, tt := range handshakeTests {
		if len(tt.in) < 600 {
			f.Add([]byte(tt.in))
		}
	}
	f.Add([]byte("GET http://u@h:1/p?q HTTP/1.1\r\nHost: x\r\nPragma: no-cache\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		end := headEnd(in)
		if end == 0 {
			return
		}
		x := new(upgradeBuffers)
		r := &x.request
		refusal := r.parse(in[:end:end])
		r.isUpgrade()
		parts, size := r.appendCore(nil)
		core := string(bytes.Join(parts, nil))
		if len(core) != size {
			t.Errorf("%q has %d bytes, not %d", core, len(core), size)
		}
		if refusal == nil && headEnd([]byte(core)) != len(core) {
			t.Fatalf("what ws.Upgrader would read is in parts: %q", core)
		}
		if refusal == nil {
			refusal = r.check()
		}
		if refusal != nil {
			if refusal.Status != http.StatusBadRequest || refusal.Reason == "" {
				t.Fatalf("%+v", refusal)
			}
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		if r.URI != theirs.RequestURI || r.Path() != theirs.URL.Path || r.Query().Encode() != theirs.URL.Query().Encode() {
			t.Errorf("URI %q, path %q, query %v; net/http: %q, %q, %v", r.URI, r.Path(), r.Query(), theirs.RequestURI, theirs.URL.Path, theirs.URL.Query())
		}
		if theirs.URL.Host == "" && r.Header.Get("Host") != theirs.Host {
			t.Errorf("Host %q; net/http: %q", r.Header.Get("Host"), theirs.Host)
		}
		ours := r.Header.Clone()
		ours.Del("Host") // which net/http takes out
		if ours.Get("Pragma") != "" {
			return // from which net/http makes a Cache-Control
		}
		for name, values := range theirs.Header {
			if !slices.Equal(values, ours[name]) {
				t.Errorf("%s: %q; net/http: %q", name, ours[name], values)
			}
			if textproto.CanonicalMIMEHeaderKey(name) == name && r.Header.Get(strings.ToLower(name)) != values[0] {
				t.Errorf("Get(%q): %q", name, r.Header.Get(name))
			}
		}
		if len(ours) != len(theirs.Header) {
			t.Errorf("%v; net/http: %v", ours, theirs.Header)
		}
	})
}

// A request that moves has the same fields, in the new header.
func TestRequestMoves(t *testing.T) {
	worker := append([]byte("GET /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nBlank:  \t\r\nCookie:  a=b; c \r\nX:y\r\n\r\n"), "more"...)
	head := worker[:headEnd(worker)]
	var r Request
	if refusal := r.parse(head); refusal != nil {
		t.Fatal(refusal)
	}
	want := r.Header.Clone()
	r.moveTo(bytes.Clone(head))
	clear(worker)
	if got := r.Header.Clone(); !reflect.DeepEqual(got, want) || len(got) != 5 {
		t.Errorf("got %v, want %v", got, want)
	}
	if !bytes.HasPrefix(r.head, []byte("GET /a?b ")) {
		t.Errorf("the header is %q", r.head)
	}
}
