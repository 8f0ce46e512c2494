package top

import (
	"cmp"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// The variables that have the key, or the name of a file with it. A key on the command line would be visible to all users
// of the machine.
const (
	keyVariable     = "FANFARE_TOP_KEY"
	keyFileVariable = "FANFARE_TOP_KEY_FILE"
)

const usage = `fanfare top shows the state of a running server.

Usage: fanfare top [flags] [ADDRESS]

ADDRESS is that of the listener of operators (-admin): ` + serveraddr.Forms + `. Without it, the
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
	ca := f.String("ca", "", "`file` in PEM with the authorities that the server's certificate may come from, instead of those that this machine trusts")
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
	trust := (*tls.Config)(nil)
	if *ca != "" {
		if trust, err = serveraddr.TrustOnly(*ca); err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
	}
	o.server = newServer(address, key, trust)
	return o, nil
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
func address(given string, settings *config.Loaded) (a serveraddr.Address, err error) {
	if given != "" {
		return parseAddress(given)
	}
	for _, p := range settings.Problems {
		return a, fmt.Errorf("the settings have a mistake: %v", p)
	}
	c := settings.Config
	l := config.Listener{Addr: c.Admin.Addr}
	if l.Addr == "" {
		return a, errors.New("which server? Give the address of its -admin: fanfare top localhost:PORT, or fanfare top unix:PATH")
	}
	if a, err = serveraddr.OfListener("-admin", l.Addr, c.Secure() && !l.Loopback()); err != nil {
		err = fmt.Errorf("%w; give the address of the server: fanfare top localhost:PORT", err)
	}
	return a, err
}

// parseAddress returns the address that is given. The key is sent in a header, and the paths are those of the API.
func parseAddress(given string) (serveraddr.Address, error) {
	a, err := serveraddr.Parse(given)
	switch {
	case err != nil:
		return a, err
	case a.URL.User != nil || a.URL.RawQuery != "":
		return a, errors.New("the URL has a user, a password or a query; the key comes from -key-file, so that others cannot see it")
	}
	a.URL.Path, a.URL.RawPath = "", ""
	return a, nil
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
