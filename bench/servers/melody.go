package servers

import (
	"net"
	"net/http"

	"github.com/olahol/melody"
)

func melodious(addr string, ready func(net.Addr)) error {
	m := melody.New()
	// A session that refuses a message drops it, which the client notices.
	m.HandleMessage(func(s *melody.Session, p []byte) { _ = s.Write(p) })
	m.HandleMessageBinary(func(s *melody.Session, p []byte) { _ = s.WriteBinary(p) })
	return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) })
}
