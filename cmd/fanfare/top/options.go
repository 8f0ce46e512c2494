package top

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// The variables that have the key, or the name of a file with it. A key on the command line would be visible to all users
// of the machine.
const (
	keyVariable     = "FANFARE_TOP_KEY"
	keyFileVariable = "FANFARE_TOP_KEY_FILE"
)

const usage = `fanfare top shows the state of a running server.

Usage: fanfare top [flags] [URL]

URL is that of the listener of operators (-admin): http://HOST:PORT, https://HOST:PORT or unix:PATH. Without it, the
server of -config or of the variable FANFARE_ADMIN is asked. If that listener asks for a key, it comes from -key-file, the
variable ` + keyFileVariable + `, which names a file, or the variable ` + keyVariable + `.

Keys: 1 to 4 or Tab change the view, ↑ ↓ choose, Enter opens a topic or client, Esc goes back, s sorts, p pauses, ? lists all keys, q quits.

Flags:
`

// fewest is the shortest time between two requests.
const fewest = 500 * time.Millisecond

// options are what the command line and the environment say.
type options struct {
	server *server
	every  time.Duration
	once   bool
	json   bool
}

// parse returns the options, or an error and whether it was help that was asked for.
func parse(args, environ []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("fanfare top", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	keyFile := f.String("key-file", "", "`file` whose only word is the operator's key")
	file := f.String("config", "", "`file` of the server's settings, for its -admin and -token-file")
	f.DurationVar(&o.every, "every", 2*time.Second, "time between two requests")
	f.BoolVar(&o.once, "once", false, "print the figures once, as text, and exit")
	f.BoolVar(&o.json, "json", false, "print GET /api/status once, as JSON, and exit")
	daemon.ExplainValues(f)
	url, err := parseAround(f, args)
	if err != nil {
		return nil, err
	}
	if o.every < fewest {
		return nil, fmt.Errorf("-every is %v; it must be %v or more", o.every, fewest)
	}
	settings := config.Load(configArgs(*file), environ)
	address, err := address(url, settings)
	if err != nil {
		return nil, err
	}
	key, err := key(*keyFile, settings, environ)
	if err != nil {
		return nil, err
	}
	o.server, err = newServer(address, key)
	return o, err
}

// parseAround parses flags before and behind the URL, which it returns.
func parseAround(f *flag.FlagSet, args []string) (url string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return "", errUsage{err}
		}
		if f.NArg() == 0 {
			return url, nil
		}
		if url != "" {
			return "", fmt.Errorf("unexpected argument %q: there can be one URL", f.Arg(0))
		}
		url, args = f.Arg(0), f.Args()[1:]
	}
}

// errUsage is an error that package flag has printed.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

func configArgs(file string) []string {
	if file == "" {
		return nil
	}
	return []string{"-config", file}
}

// address returns where the listener of operators is.
func address(given string, settings *config.Loaded) (string, error) {
	if given != "" {
		return given, nil
	}
	for _, p := range settings.Problems {
		return "", fmt.Errorf("the settings have a mistake: %v", p)
	}
	c := settings.Config
	l := config.Listener{Addr: c.Admin.Addr}
	switch {
	case l.Addr == "":
		return "", errors.New("which server? Give the address of its -admin: fanfare top http://localhost:PORT, or fanfare top unix:PATH")
	case strings.HasPrefix(l.Addr, config.SystemdPrefix):
		return "", fmt.Errorf("-admin is %s, whose address only systemd knows; give it: fanfare top http://localhost:PORT", l.Addr)
	case l.Unix() != "":
		return l.Addr, nil
	}
	scheme := "http://"
	if c.Secure() && !l.Loopback() {
		scheme = "https://"
	}
	if strings.HasPrefix(l.Addr, ":") {
		return scheme + "localhost" + l.Addr, nil
	}
	return scheme + l.Addr, nil
}

// key returns the operator's key, or "".
func key(file string, settings *config.Loaded, environ []string) (string, error) {
	variable := func(name string) string {
		for _, e := range environ {
			if n, text, _ := strings.Cut(e, "="); n == name {
				return text
			}
		}
		return ""
	}
	if word := variable(keyVariable); word != "" && file == "" {
		return word, nil
	}
	if file = cmp.Or(file, variable(keyFileVariable), settings.Config.Access.TokenFile); file == "" {
		return "", nil
	}
	word, err := secretfile.Word(file)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	return word, nil
}

// parseAddress returns the URL of a server, and the path of its Unix socket if it has one.
func parseAddress(address string) (base *url.URL, socket string, err error) {
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		if path == "" {
			return nil, "", errors.New("unix: has no path; write unix:/run/fanfare/admin.sock, for example")
		}
		return &url.URL{Scheme: "http", Host: "localhost"}, path, nil
	}
	full := address
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	base, err = url.Parse(full)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, "", fmt.Errorf("%q is not the address of a server; it must have the form http://host:port, https://host:port or unix:path", httpurl.Mask(address))
	case base.User != nil || base.RawQuery != "":
		return nil, "", errors.New("the URL has a user, a password or a query; the key comes from -key-file, so that others cannot see it")
	}
	base.Path, base.RawPath, base.Fragment = "", "", ""
	return base, "", nil
}
