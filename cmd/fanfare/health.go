package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

const (
	healthTimeout = 5 * time.Second // for the whole of the command health
	healthBody    = 64 << 10        // bytes of an answer that it prints
)

// askHealth is the command health: it asks the server at a URL or, without one, the server that these settings are for.
func askHealth(l *config.Loaded, stdout, stderr io.Writer) (status int) {
	target, err := healthTarget(l)
	if err == nil {
		err = target.ask(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fanfare:", err)
		return 1
	}
	return 0
}

// target is where a server is asked.
type target struct {
	url      string
	unix     string // path of the socket to connect to, or ""
	preamble bool   // the connection begins with a PROXY protocol header
}

func healthTarget(l *config.Loaded) (target, error) {
	if l.URL == "" {
		return healthListener(l.Config)
	}
	u, err := url.Parse(l.URL)
	if err != nil || u.Host == "" {
		return target{}, fmt.Errorf("health: %q is not a URL; it must have the form http://host:port", httpurl.Mask(l.URL))
	}
	if u.Path == "" {
		u.Path = healthPath
	}
	return target{url: u.String()}, nil
}

// healthListener returns the listener of -admin or, if there is none, the first of -addr.
func healthListener(c *config.Config) (target, error) {
	l := config.Listener{Addr: c.Admin.Addr}
	secure := c.Secure() && !l.Loopback()
	if l.Addr == "" {
		if len(c.Listen) == 0 {
			return target{}, errors.New("health: there is no listener to ask; give -addr, or the URL of a server")
		}
		l = c.Listen[0]
		secure = l.Secure(c.Secure())
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	t := target{unix: l.Unix(), preamble: l.ProxyProtocol}
	host, port, err := net.SplitHostPort(l.Addr)
	switch ip := net.ParseIP(host); {
	case t.unix != "":
		t.url = scheme + "://localhost" + healthPath
		return t, nil
	case err != nil || strings.HasPrefix(l.Addr, config.SystemdPrefix) || port == "0":
		return t, fmt.Errorf("health: the port of -addr %s is not known; give the URL of the server: fanfare health http://localhost:PORT", l.Addr)
	case ip != nil && ip.IsUnspecified():
		host = ""
	}
	t.url = scheme + "://" + net.JoinHostPort(cmp.Or(host, "localhost"), port) + healthPath
	return t, nil
}

// ask prints the answer. It is an error unless its status is 200. The certificate is not verified: it has the server's public
// names, and is asked for here under another one.
func (t target) ask(w io.Writer) error {
	tr := &http.Transport{DialContext: t.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := &http.Client{
		Transport: tr, Timeout: healthTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get(t.url)
	if err != nil {
		return fmt.Errorf("health: %s: %w", httpurl.Mask(t.url), httpurl.WithoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, healthBody))
	if err != nil {
		return fmt.Errorf("health: %s: %w", httpurl.Mask(t.url), err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s answers %s: %.200q", httpurl.Mask(t.url), resp.Status, text)
	}
	fmt.Fprintln(w, text)
	return nil
}

func (t target) dial(ctx context.Context, network, addr string) (nc net.Conn, err error) {
	if t.unix != "" {
		network, addr = "unix", t.unix
	}
	if nc, err = new(net.Dialer).DialContext(ctx, network, addr); err != nil || !t.preamble {
		return nc, err
	}
	if _, err = io.WriteString(nc, "PROXY UNKNOWN\r\n"); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}
