package main

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// TLS with a server of another library, in both versions, and with a certificate that is not trusted.
func TestTLS(t *testing.T) {
	checkLeaks(t)
	var version atomic.Uint32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version.Store(uint32(r.TLS.Version))
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), typ, p) != nil {
				return
			}
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	for flag, v := range map[string]uint32{"-insecure": tls.VersionTLS13, "-tls12": tls.VersionTLS12} {
		r := runProgram(t, "echo", "-json", "-q", "-n", "10", "-count", "100", "-size", "20000", "-insecure", flag, url)
		r.wantOK(t)
		want(t, "echoed", r.report.Messages.Received, 100)
		want(t, "version of TLS", version.Load(), v)
	}
	f := runProgram(t, "idle", "-json", "-q", "-n", "3", url).wantFault(t, "certificate not trusted", 3)
	want(t, "hint of -insecure", strings.Contains(f.Hint, "-insecure"), true)
	f = runProgram(t, "idle", "-json", "-q", "-n", "3", "wss"+strings.TrimPrefix(ourEcho(t), "ws")).wantFault(t, "no TLS", 3)
	want(t, "hint of ws://", strings.Contains(f.Hint, "ws://"), true)
}
