package servers

import (
	"net"
	"net/http"

	"github.com/olahol/melody"
)

// melodious drops messages for which a session has no room; the client reports that.
func melodious(broadcast bool) Serve {
	return func(addr string, ready func(net.Addr)) error {
		m := melody.New()
		m.Config.MaxMessageSize = 1 << 20 // the default is 512 bytes
		if broadcast {
			m.HandleMessage(func(_ *melody.Session, p []byte) { _ = m.Broadcast(p) })
			m.HandleMessageBinary(func(_ *melody.Session, p []byte) { _ = m.BroadcastBinary(p) })
		} else {
			m.HandleMessage(func(s *melody.Session, p []byte) { _ = s.Write(p) })
			m.HandleMessageBinary(func(s *melody.Session, p []byte) { _ = s.WriteBinary(p) })
		}
		return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) })
	}
}
