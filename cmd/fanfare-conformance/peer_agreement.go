package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The parameters of permessage-deflate (RFC 7692, section 7.1).
const (
	pmd              = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverMaxWindow  = "server_max_window_bits"
	clientMaxWindow  = "client_max_window_bits"
)

// negotiation is the negotiation of compression in a case.
type negotiation struct {
	// offer is the value of Sec-WebSocket-Extensions; empty for no offer.
	offer string
	// answer is the answer of a server with the case's config, in any order of parameters; empty for no extension.
	answer string
}

// agreement has the negotiated parameters by name.
type agreement map[string]string

// bits returns the window of one endpoint.
func (a agreement) bits(name string) int {
	if n, err := strconv.Atoi(a[name]); err == nil {
		return n
	}
	return 15
}

func (a agreement) has(name string) bool {
	_, ok := a[name]
	return ok
}

// parseAgreement parses a server's answer. It must have one extension, and each parameter once and with a valid value.
func parseAgreement(answer string) (agreement, error) {
	parts := strings.Split(answer, ";")
	if strings.TrimSpace(parts[0]) != pmd {
		return nil, fmt.Errorf("got the extensions %q, which were not offered", answer)
	}
	a := make(agreement)
	for _, p := range parts[1:] {
		name, value, valued := strings.Cut(strings.TrimSpace(p), "=")
		value = strings.Trim(value, `"`)
		bits, _ := strconv.Atoi(value)
		ok := false
		switch name {
		case serverNoTakeover, clientNoTakeover:
			ok = !valued
		case serverMaxWindow, clientMaxWindow:
			ok = bits >= 8 && bits <= 15 && strconv.Itoa(bits) == value
		}
		if !ok || a.has(name) {
			return nil, fmt.Errorf("got the extensions %q, in which the parameter %q is unknown, repeated or invalid", answer, p)
		}
		a[name] = value
	}
	return a, nil
}

// satisfies reports whether a server may answer that offer with a (RFC 7692, section 7.1).
func (a agreement) satisfies(offer string) bool {
	o := make(agreement)
	for _, p := range strings.Split(offer, ";")[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		o[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return (!o.has(serverNoTakeover) || a.has(serverNoTakeover)) &&
		(!o.has(serverMaxWindow) || a.has(serverMaxWindow) && a.bits(serverMaxWindow) <= o.bits(serverMaxWindow)) &&
		(!a.has(clientMaxWindow) || o.has(clientMaxWindow) && a.bits(clientMaxWindow) <= o.bits(clientMaxWindow))
}

// agree checks the server's answer to the case's offer, and sets the compression of script and peer. If the case cannot be
// played, reason says why.
func (p *peer) agree(s *script, c *Case, head *answer, t *target) (reason string, err error) {
	fields := head.header["Sec-Websocket-Extensions"]
	n := c.Negotiation
	switch {
	case len(fields) == 0 && n.answer == "":
		return "", nil
	case len(fields) == 0 && t.foreign:
		return "the server declines compression", nil
	case len(fields) == 0:
		return "", fmt.Errorf("want the extensions %q; got none", n.answer)
	case len(fields) > 1 || n.offer == "" || n.answer == "":
		return "", fmt.Errorf("want at most one field of extensions, and only if offered; got %q", fields)
	}
	a, err := parseAgreement(fields[0])
	if err != nil {
		return "", err
	}
	offers := strings.ReplaceAll(n.offer, "\r\nSec-WebSocket-Extensions:", ",") // in several fields
	if !slices.ContainsFunc(strings.Split(offers, ","), a.satisfies) {
		return "", fmt.Errorf("got the extensions %q, which do not match the offer %q", fields[0], n.offer)
	}
	if want, err := parseAgreement(n.answer); !t.foreign && (err != nil || !maps.Equal(a, want)) {
		return "", errors.Join(err, fmt.Errorf("want the extensions %q; got %q", n.answer, fields[0]))
	}
	s.zip = &deflater{bits: a.bits(clientMaxWindow), takeover: !a.has(clientNoTakeover)}
	s.known = !t.foreign
	p.unzip = &inflater{bits: a.bits(serverMaxWindow), takeover: !a.has(serverNoTakeover)}
	return "", nil
}
