package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
)

const (
	healthTimeout = 5 * time.Second // for the whole of the command health
	healthBody    = 64 << 10        // bytes of an answer that it prints
)

// askHealth is the command health: it asks the server at an address or, without one, the server that these settings are for.
func askHealth(l *config.Loaded, stdout, stderr io.Writer) (status int) {
	target, err := healthTarget(l)
	if err == nil {
		err = target.ask(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fanfare: health:", err)
		return 1
	}
	return 0
}

// target is where a server is asked.
type target struct {
	serveraddr.Address
	preamble bool        // the connection begins with a PROXY protocol header
	trust    *tls.Config // how its certificate is verified
}

// healthTarget returns the server to ask. Its certificate is only verified with -ca: it has the server's public names, and is
// asked for here under another one.
func healthTarget(l *config.Loaded) (t target, err error) {
	if l.Address != "" {
		t.Address, err = serveraddr.Parse(l.Address)
	} else {
		t, err = healthListener(l.Config)
	}
	if err != nil {
		return t, err
	}
	t.URL.Path = cmp.Or(strings.TrimSuffix(t.URL.Path, "/"), healthPath)
	if t.trust = (&tls.Config{InsecureSkipVerify: true}); l.CA != "" {
		t.trust, err = serveraddr.TrustOnly(l.CA)
	}
	return t, err
}

// healthListener returns the listener of -admin or, if there is none, the first of -addr.
func healthListener(c *config.Config) (target, error) {
	flag, l := "-admin", config.Listener{Addr: c.Admin.Addr}
	secure := c.Secure() && !l.Loopback()
	if l.Addr == "" {
		if len(c.Listen) == 0 {
			return target{}, errors.New("there is no listener to ask; give -addr, or the address of a server")
		}
		flag, l = "-addr", c.Listen[0]
		secure = l.Secure(c.Secure())
	}
	a, err := serveraddr.OfListener(flag, l.Addr, secure)
	if err != nil {
		err = fmt.Errorf("%w; give the address of the server: fanfare health localhost:PORT", err)
	}
	return target{Address: a, preamble: l.ProxyProtocol}, err
}

// ask prints the answer. It is an error unless its status is 200.
func (t target) ask(w io.Writer) error {
	tr := t.Transport(t.trust, t.preamble)
	tr.DisableKeepAlives = true
	client := &http.Client{
		Transport: tr, Timeout: healthTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get(t.URL.String())
	if err != nil {
		return fmt.Errorf("%v: %w", t, httpurl.WithoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, healthBody))
	if err != nil {
		return fmt.Errorf("%v: %w", t, err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%v answers %s: %.200q", t, resp.Status, text)
	}
	fmt.Fprintln(w, text)
	return nil
}
