package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// runs runs the program in this process until stop is called, which returns its output.
func runs(t *testing.T, args ...string) (addr string, client *http.Client, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out netpolltest.Output
	status := make(chan int, 1)
	go func() { status <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), &out, &out) }()
	if !settles(func() bool { return strings.Contains(out.String(), "Ctrl-C") }) {
		cancel()
		t.Fatalf("the server does not start: %s", out.String())
	}
	client = &http.Client{Transport: new(http.Transport)}
	return listening.FindStringSubmatch(out.String())[1], client, func() string {
		client.CloseIdleConnections()
		cancel()
		if s := <-status; s != 0 {
			t.Errorf("status %d: %s", s, out.String())
		}
		return out.String()
	}
}

// A second run continues with the data of the first.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by it")
	for life, want := range []int{http.StatusCreated, http.StatusConflict} {
		addr, client, stop := runs(t, "-data", dir)
		resp, err := client.Post("http://"+addr+"/api/signup", "application/json", strings.NewReader(`{"name":"Ada","password":"correct horse"}`))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("life %d: %d %s", life, resp.StatusCode, b)
		}
		page, err := client.Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		page.Body.Close()
		if page.StatusCode != http.StatusOK {
			t.Errorf("the page: %d", page.StatusCode)
		}
		out := stop()
		for _, says := range []string{"http://" + addr + "/", filepath.Join(dir, "chat.db"), "connections", "are stored"} {
			if !strings.Contains(out, says) {
				t.Errorf("the output %q does not contain %q", out, says)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, trust := netpolltest.Certificate(t)
	addr, client, stop := runs(t, "-data", dir, "-cert", cert, "-key", key)
	defer stop()
	client.Transport.(*http.Transport).TLSClientConfig = trust
	resp, err := client.Post("https://"+addr+"/api/signup", "application/json", strings.NewReader(`{"name":"Ada","password":"correct horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if c := resp.Cookies(); len(c) != 1 || !c[0].Secure || c[0].Name != "__Host-fanfare_session" {
		t.Errorf("%+v", c)
	}
}

func TestUsage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	for args, c := range map[string]struct {
		status int
		says   string
	}{
		"-help":                      {0, "PostgreSQL"},
		"-bogus":                     {2, "-bogus"},
		"here":                       {2, "only flags are allowed"},
		"-cert x":                    {2, "-key"},
		"-data x -db postgres://y/z": {2, "exclude each other"},
		"-rate 1000000000":           {2, "-rate"},
		"-db mysql://y/z":            {2, "postgres://"},
		"-drain -1s":                 {2, "-drain"},
		"-data " + dir + " -addr " + l.Addr().String():    {1, "in use"},
		"-data " + dir + " -addr nowhere":                 {1, "host:port"},
		"-data /dev/null/x":                               {1, "directory"},
		"-data " + dir + " -cert none -key none -addr :0": {1, "none"},
	} {
		var out bytes.Buffer
		if status := run(context.Background(), strings.Fields(args), &out, &out); status != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %d %s, want %d with %q", args, status, out.String(), c.status, c.says)
		}
	}
}
