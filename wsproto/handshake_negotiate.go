package wsproto

import (
	"errors"
	"io"
	"net/http"
)

// negotiate chooses a subprotocol and extensions from the client's offers. It refuses
// offers that do not follow the grammar (RFC 6455, 9.1).
func (r *Request) negotiate(k *Compression) *Refusal {
	if ours := r.server.Subprotocols; len(ours) > 0 {
		r.Subprotocol = choose(r.Subprotocols(), ours)
	}
	if !r.Header.has(extensionsField) {
		return nil
	}
	offers, ok := parseExtensions(r.Header.values(extensionsField))
	if !ok {
		return Refuse(http.StatusBadRequest, "Sec-WebSocket-Extensions is not a list of extensions (RFC 6455, 9.1)")
	}
	if k != nil {
		r.deflate = k.accept(offers)
	}
	return nil
}

// choose returns the first of offers that is in ours, or "".
func choose(offers, ours []string) string {
	for _, o := range offers {
		for _, p := range ours {
			if o == p {
				return o
			}
		}
	}
	return ""
}

const (
	extensionsField  = "Sec-WebSocket-Extensions"
	subprotocolField = "Sec-WebSocket-Protocol"
)

// negotiatedFields are the fields of a response that the handshake decides.
var negotiatedFields = map[string]bool{
	extensionsField: true, subprotocolField: true, "Sec-Websocket-Extensions": true, "Sec-Websocket-Protocol": true,
	"Sec-Websocket-Accept": true, "Upgrade": true, "Connection": true,
}

// writeResponseHeader writes the fields of a 101 response that ws.Upgrader does not write.
// It leaves ResponseHeader as it is, which Accept may share between requests.
func (r *Request) writeResponseHeader(w io.Writer) error {
	err := r.ResponseHeader.WriteSubset(w, negotiatedFields)
	if r.Subprotocol != "" {
		err = errors.Join(err, http.Header{subprotocolField: {r.Subprotocol}}.Write(w))
	}
	if r.deflate != nil {
		err = errors.Join(err, http.Header{extensionsField: {r.deflate.extension().String()}}.Write(w))
	}
	return err
}

// finishResponse adds the fields that ws.Upgrader has not written, and that the program may
// have changed since.
func (x *upgradeBuffers) finishResponse() {
	x.out.Truncate(x.out.Len() - len(crlf))
	_ = x.request.writeResponseHeader(&x.out)
	x.out.Write(crlf)
}
