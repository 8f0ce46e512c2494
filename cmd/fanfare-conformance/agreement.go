package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The parameters of permessage-deflate (RFC 7692, 7.1).
const (
	pmd              = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverMaxWindow  = "server_max_window_bits"
	clientMaxWindow  = "client_max_window_bits"
)

// negotiation is what a case has to say about compression.
type negotiation struct {
	// offer is the value of Sec-WebSocket-Extensions; nothing is offered if empty.
	offer string
	// answer is what a server of ours has to answer, in any order of parameters; no
	// extension if empty.
	answer string
}

// agreement is what client and server agreed on: the parameters by name.
type agreement map[string]string

// bits returns the window of one side.
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

// parseAgreement reads a server's answer, which chooses one extension and gives
// each parameter once and with a value that it may have.
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
			return nil, fmt.Errorf("got the extensions %q, in which the parameter %q is unknown, there twice, or wrong", answer, p)
		}
		a[name] = value
	}
	return a, nil
}

// satisfies reports whether a server that accepts that offer may answer a (RFC
// 7692, 7.1).
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

// agree judges what the server answered to the case's offer, and has script and
// peer compress accordingly. reason says why the case cannot be played.
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
		return "", fmt.Errorf("want no extensions, or one; got %q", fields)
	}
	a, err := parseAgreement(fields[0])
	if err != nil {
		return "", err
	}
	offers := strings.ReplaceAll(n.offer, "\r\nSec-WebSocket-Extensions:", ",") // in several fields
	if !slices.ContainsFunc(strings.Split(offers, ","), a.satisfies) {
		return "", fmt.Errorf("got the extensions %q, which do not fit the offer %q", fields[0], n.offer)
	}
	if want, err := parseAgreement(n.answer); !t.foreign && (err != nil || !maps.Equal(a, want)) {
		return "", errors.Join(err, fmt.Errorf("want the extensions %q; got %q", n.answer, fields[0]))
	}
	s.zip = &deflater{bits: a.bits(clientMaxWindow), takeover: !a.has(clientNoTakeover)}
	s.known = !t.foreign
	p.unzip = &inflater{bits: a.bits(serverMaxWindow), takeover: !a.has(serverNoTakeover)}
	return "", nil
}
