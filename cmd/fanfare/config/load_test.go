package config

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// write returns the name of a file with that text.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// newKey returns a private key.
func newKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
}

// fine loads a configuration without mistakes.
func fine(t *testing.T, environ []string, args ...string) *Config {
	t.Helper()
	l := Load(args, environ)
	if len(l.Problems) > 0 {
		t.Fatalf("%v: %v", args, l.Problems)
	}
	return l.Config
}

// all returns the mistakes that Load and Inspect find in a file.
func all(file string) Problems {
	l := Load([]string{"-config", file}, nil)
	l.Inspect(time.Now())
	return l.Problems
}

// A file with mistakes of many kinds: all are reported at once, each with field, line, value and what would be right.
func TestAllMistakesAtOnce(t *testing.T) {
	cert, _, _ := netpolltest.Certificate(t)
	otherKey := write(t, "key.pem", newKey(t))
	file := write(t, "bad.toml", strings.NewReplacer("CERT", cert, "KEY", otherKey).Replace(`# line 1
listen = ["localhost:8080", "nonsense"]
compres = true

[limits]
max-message = "10 bits"
max-topics = "many"
ping = 25
max-pending = "64KiB"

[tls]
cert = "CERT"
key = "KEY"

[access]
origins = ["good.example", "bad.example/path"]
token-file = "/nowhere/token"
max-conns = 5

[[topic]]
pattern = "news.>"
slow = "never"

[[topic]]
pattern = "a..b"
history = 0
hystory = 5

[token]
algorithms = ["HS256", "none"]
secret-files = ["/nowhere/secret"]

[backend]
connect = "ftp://app.example"
fallback = "maybe"

[limits.conn]
rate = 5
[[access.key]]
name = "ada"
`))
	got := all(file)
	for _, want := range []string{
		`:2: listen[1].addr: "nonsense" is not an address; it must have the form host:port`,
		`:3: compres: this is not a setting; did you mean compress?`,
		`:6: limits.max-message: "10 bits" is not a size`,
		`:7: limits.max-topics is "many"; it must be a whole number`,
		`:8: limits.ping: a unit is missing: write "25s" for seconds`,
		`:13: tls.key: ` + otherKey + ` does not fit the certificate in tls.cert (line 12)`,
		`:16: access.origins[1]: "bad.example/path" is not a host`,
		`:17: access.token-file: `,
		`:18: access.max-conns: this is not a setting; did you mean limits.max-conns?`,
		`:22: topic[0].slow: `,
		`:25: topic[1].pattern: "a..b" is not a pattern`,
		`:26: topic[1].history is 0; it must be a number of messages, at least 1`,
		`:27: topic[1].hystory: this is not a setting; did you mean history?`,
		`:30: token.algorithms[1]: "none" is not supported; the algorithms are`,
		`:31: token.secret-files[0]: `,
		`:34: backend.connect is "ftp://app.example"; its scheme must be https or http`,
		`:35: backend.fallback is "maybe"; it must be deny or allow`,
		`:37: limits.conn: this is not a setting`,
		`:39: access.key[0].secret-file is missing`,
		`:39: access.key[0] has no rights`,
	} {
		if !slices.ContainsFunc(got, func(p Problem) bool { return strings.HasPrefix(p.String(), file+want) }) {
			t.Errorf("%s is not reported", want)
		}
	}
	if len(got) != 20 {
		t.Errorf("%d mistakes are reported, not 20", len(got))
	}
	if t.Failed() {
		t.Log(got.Error())
	}
}

// A file that cannot be read is one mistake, and does not hide those of flags.
func TestUnreadableFile(t *testing.T) {
	large := write(t, "large.toml", strings.Repeat("#", maxFile+1))
	dir := t.TempDir()
	for file, says := range map[string]string{"/nowhere/a.toml": "no such file or directory", large: "the file has more than 4MiB", dir: "is a directory"} {
		l := Load([]string{"-config", file, "-ping", "5"}, nil)
		if len(l.Problems) != 2 || l.Problems[1].String() != file+": "+says {
			t.Errorf("%v, want %s: %s", l.Problems, file, says)
		}
	}
}

// A contradiction names both fields with their lines.
func TestContradictions(t *testing.T) {
	for text, want := range map[string]string{
		"[limits]\nmax-message = '2MiB'\nmax-pending = '1MiB'": ":3: limits.max-pending is 1MiB; with messages of 2MiB (limits.max-message (line 2)) it must be at least 4352KiB",
		"[limits]\nmax-pending = '1MiB'":                       ":2: limits.max-pending is 1MiB; with messages of 1MiB (limits.max-message)",
		"[limits]\ntotal-pending = '1MiB'":                     ":2: limits.total-pending is 1MiB; it must be at least limits.max-pending, 4MiB",
		"[limits]\ntotal-bodies = '1MiB'":                      ":2: limits.total-bodies is 1MiB; it must be at least 16MiB",
		"[tls]\ncert = 'c'":                                    ":2: tls.cert is given without tls.key; TLS needs both",
		"[tls]\nkey = 'c'":                                     ":2: tls.key is given without tls.cert; TLS needs both",
		"[tls]\ncert='c'\nkey='c'\n[tls.acme]\ndomains=['a.example']\nstorage='d'\nagree=true": ":5: tls.acme.domains and tls.cert (line 2) exclude each other",
		"[tls.acme]\ndomains=['*.example']\nstorage='d'\nagree=true":                           `:2: tls.acme.domains: domain "*.example" has a wildcard`,
		"[tls.acme]\ndomains=['a.example']\nagree=true":                                        ":2: tls.acme.domains is given without tls.acme.storage",
		"[tls.acme]\ndomains=['a.example']\nstorage='d'":                                       ":2: tls.acme.domains is given without tls.acme.agree",
		"[token]\nissuer='a'":                                    ":2: token.issuer is given without a key for tokens: token.secret-files",
		"[token]\njwks-url='https://u:pw@a.example'":             ":2: token.jwks-url has a user or a password",
		"[token]\njwks-file='f'\n[token.granted]\nread=['{me}']": ":4: token.granted.read[0]: ",
		"[access]\nuser-header='X User'":                         `:2: access.user-header is "X User"`,
		"[access]\nhosts=['a.example:80']":                       `:2: access.hosts[0]: "a.example:80" has a port`,
		"[access]\ntrusted-proxies=['here']":                     `:2: access.trusted-proxies: trusted proxy "here"`,
		"[access.anonymous]\nread=['a b']":                       `:2: access.anonymous.read[0]: "a b" is not a pattern`,
		"[[access.key]]\nname='a b'\nsecret='s'\nread=['>']":     `:2: access.key[0].name is "a b"`,
		"[[access.key]]\nname='a'\nsecret='s'\nread=['>']\n[[access.key]]\nname='a'\nsecret='t'\nread=['>']": `:6: access.key[1].name is "a", as that of access.key[0] is`,
		"[[access.key]]\nname='a'\nsecret='s'\nsecret-file='f'\nread=['>']":                                  ":3: access.key[0].secret and secret-file (line 4) exclude each other",
		"[backend]\nconnect='https://u:pw@a.example'":                                                        ":2: backend.connect has a user or a password",
		"[webhooks]\nurl=['http://a.example','ftp://b.example']":                                             `:2: webhooks.url[1] is "ftp://b.example"; its scheme must be https or http`,
		"[webhooks]\nurl=['http://a.example','https://u:pw@b.example']":                                      ":2: webhooks.url[1] has a user or a password",
		"[limits]\nping='25'":                                                         `:2: limits.ping: a unit is missing: write "25s" for seconds`,
		"[limits]\nping=2.5":                                                          `:2: limits.ping: a unit is missing: write "2.5s" for seconds`,
		"[webhooks]\nevents=['topic.full']":                                           `:2: webhooks.events[0]: "topic.full" is not an event; it must be one of topic.occupied`,
		"[webhooks]\ntopics=['@{user}']":                                              `:2: webhooks.topics[0]: "@{user}" stands for the topics of one user`,
		"[webhooks]\nretry-delay='2m'":                                                `:2: webhooks.retry-delay is 2m0s; it must not be longer than max-retry-delay, 1m0s`,
		"[nats]\nurl=['http://a.example:4222']":                                       ":2: nats.url[0] has the scheme http; it must be nats, or tls, such as nats://a.example:4222",
		"[nats]\nurl=['nats://a','b']":                                                ":2: nats.url[1] is no URL of a server of NATS",
		"[nats]\nurl=['nats://u:secret@a']":                                           ":2: nats.url[0] has a user or a password, which other users of this machine could see; give nats.user and nats.password-file",
		"[nats]\nurl=['nats://a/b']":                                                  ":2: nats.url[0] has more than a host and a port; it must be like nats://a",
		"[nats]\nurl='nats://a'\nprefix='a..b'":                                       `:3: nats.prefix is "a..b"; it must be letters`,
		"[nats]\nurl='nats://a'\nstream='A.B'":                                        `:3: nats.stream is "A.B"; it must be letters`,
		"[nats]\nurl='nats://a'\nreplicas=6":                                          ":3: nats.replicas is 6; NATS allows 1 to 5",
		"[nats]\nurl='nats://a'\nmin-age='10ms'":                                      ":3: nats.min-age is 10ms; it must be at least 1s",
		"[nats]\nurl='nats://a'\nuser='u'":                                            ":3: nats.user is given without nats.password-file; NATS needs both",
		"[nats]\nurl='nats://a'\npassword-file='p'":                                   ":3: nats.password-file is given without nats.user; NATS needs both",
		"[nats]\nurl='nats://a'\ncert='c'":                                            ":3: nats.cert is given without nats.key; a certificate needs its key",
		"[nats]\nurl='nats://a'\nnkey-file='n'\ntoken-file='t'":                       ":4: nats.token-file and nats.nkey-file (line 3) exclude each other",
		"[nats]\nurl='nats://a'\nmax-messages=10\n[[topic]]\npattern='a'\nhistory=11": ":3: nats.max-messages is 10; it must be at least the history of topic[0], 11",
		"[webhooks]\nmax-queue=0":                                                     `:2: webhooks.max-queue`,
		"[backend]\nheaders=['a b']":                                                  `:2: backend.headers has "a b"`,
		"verbose = 1":                                                                 ":1: verbose is 1; it must be true or false",
		"verbose = 'true'":                                                            `:1: verbose is "true"; it must be true or false, without quotes`,
		"limits = 5":                                                                  ":1: limits is 5; it must be a table: write [limits]",
		"listen = [5]":                                                                ":1: listen is 5; it must be a table: write [[listen]]",
		"[access]\norigins = 5":                                                       ":2: access.origins is 5; it must be a list of texts",
		"[access]\norigins = ['a', 5]":                                                ":2: access.origins has 5; it must have texts",
		"[access]\nuser-header = {}":                                                  ":2: access.user-header is a table; it must be a text in quotes",
		"[limits]\nmax-conns = 1.5":                                                   ":2: limits.max-conns is 1.5; it must be a whole number",
		"[limits]\nmax-conns = 99999999999999999999":                                  `:2: limits.max-conns: "99999999999999999999": the number is too large`,
		"[limits]\nidle-timeout = '0'":                                                ":2: limits.idle-timeout is 0s; it must be above 0",
		"[limits]\nping = '-1s'":                                                      ":2: limits.ping is -1s; it must not be negative",
		"topic = ['news', 'a slow=never']":                                            `:1: topic: "slow=never"`,
	} {
		file := write(t, "a.toml", text)
		got := Load([]string{"-config", file}, nil).Problems
		if len(got) != 1 || !strings.HasPrefix(got[0].String(), file+want) {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

// What may be a mistake is only noted.
func TestNotes(t *testing.T) {
	file := write(t, "a.toml", "listen=[':8080']\n[access]\nuser-header='X-User'\ntrusted-proxies='none'")
	l := Load([]string{"-config", file}, nil)
	l.Inspect(time.Now())
	if len(l.Problems) > 0 || len(l.Notes) != 2 || l.Notes[0] != file+":3: access.user-header is X-User, which is ignored from everybody, as access.trusted-proxies (line 4) is none" || !strings.Contains(l.Notes[1], "everybody may publish and disconnect others:") {
		t.Errorf("%v, %q", l.Problems, l.Notes)
	}
}

// A TCP listener that takes the PROXY protocol from everybody is noted.
func TestProxyProtocolNotes(t *testing.T) {
	for args, want := range map[string]int{
		"-addr=localhost:1 proxy-protocol": 1, "-addr=localhost:1 proxy-protocol,localhost:2 proxy-protocol": 2,
		"-addr=unix:/run/x proxy-protocol": 0, "-proxy-protocol=192.0.2.1": 0,
	} {
		l := Load([]string{args}, nil)
		l.Inspect(time.Now())
		if n := strings.Count(strings.Join(l.Notes, "\n"), "can claim any client address; name the proxies with -proxy-protocol instead"); n != want || len(l.Problems) > 0 {
			t.Errorf("%s: %q, %v", args, l.Notes, l.Problems)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for text, want := range map[string]string{
		"verbose = true\n[limits\nping = '1s'":           ":2: this is not TOML: ",
		"verbose =":                                      ":1: this is not TOML: ",
		"a\n":                                            ":1: this is not TOML: ",
		"verbose = true\n\nverbose = false":              ":3: verbose is given again; line 1 has it, too",
		"[tls]\n[limits]\n[tls]":                         ":3: [tls] is given again; line 1 has it, too",
		"verbose = true\n[[verbose]]":                    ":2: [[verbose]] is given again",
		"verbose = true\n[verbose.x]":                    ":2: verbose is a value in line 1; it cannot be a table, too",
		"limits = {ping = '1s'}\n[limits]\nping='2s'":    ":3: ping is given again; line 1 has it, too",
		"limits.ping = '1s'\n[[limits]]\nping = '2s'":    ":2: [[limits]] is given again",
		"[access]\norigins = [\n'a.example',\n'b c',\n]": `:4: access.origins[1]: "b c"`,
	} {
		file := write(t, "a.toml", text)
		got := Load([]string{"-config", file}, nil).Problems
		if !slices.ContainsFunc(got, func(p Problem) bool { return strings.HasPrefix(p.String(), file+want) }) {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "a.toml", `
listen = ["a.example:1"]
topic = ["file.> history=1"]
[limits]
ping = "1s"
pong-timeout = "1s"
idle-timeout = "1s"
[access]
origins = ["file.example"]
hosts = ["file.example", "other.example"]
`)
	c := fine(t, []string{"FANFARE_CONFIG=/nowhere", "FANFARE_PONG_TIMEOUT=2s", "FANFARE_IDLE_TIMEOUT=2s", "FANFARE_ORIGINS=env.example", "FANFARE_DRAIN=", "FANFARE=x"},
		"-config", file, "--idle-timeout=3s", "-topic", "one.> history=3", "--topic", "two.> history=4", "-addr", "b.example:1, b.example:2", "-addr=unix:/run/x mode=0660")
	for path, want := range map[string]Source{
		"limits.ping": {FromFile, file, 5}, "limits.pong-timeout": {FromEnvironment, "FANFARE_PONG_TIMEOUT", 0},
		"limits.idle-timeout": {FromFlag, "idle-timeout", 0}, "shutdown.drain": {}, "topic[1].history": {FromFlag, "topic", 0}, "access.hosts": {FromFile, file, 10},
	} {
		if got := c.Source(path); got != want {
			t.Errorf("%s comes from %v, want %v", path, got, want)
		}
	}
	switch {
	case c.Limits.Ping != time.Second, c.Limits.PongTimeout != 2*time.Second, c.Limits.IdleTimeout != 3*time.Second, c.Shutdown.Drain != 10*time.Second:
		t.Errorf("%+v", c.Limits)
	case !reflect.DeepEqual(c.Access.Origins, []string{"env.example"}), len(c.Access.Hosts) != 2:
		t.Errorf("%+v", c.Access)
	case !reflect.DeepEqual(c.Topics, []Topic{{Pattern: "one.>", History: 3}, {Pattern: "two.>", History: 4}}):
		t.Errorf("%+v", c.Topics)
	case !reflect.DeepEqual(c.Listen, []Listener{{Addr: "b.example:1"}, {Addr: "b.example:2"}, {Addr: "unix:/run/x", Mode: "0660"}}):
		t.Errorf("%+v", c.Listen)
	}
}

// A mistake in a flag or a variable is reported under its name, and does not hide others.
func TestMistakesInFlagsAndVariables(t *testing.T) {
	l := Load(strings.Fields("-nonsense 5 -max-mesage 1 -ping 25 -max-conns -1 -compress=perhaps serve -origins a.example/b -tls-timeout"),
		[]string{"FANFARE_DRAIN=soon", "FANFARE_MAX_TOPIC=5", "FANFARE_SERVICE_HOST=10.0.0.1", "FANFARE_TOPIC=news slow=never"})
	want := []string{
		"-ping: a unit is missing: write 25s for seconds, or 25ms, 25m or 25h", "-max-conns is -1; it must not be negative",
		`-compress: "perhaps" is neither true nor false`, `-origins: "a.example/b" is not a host such as example.org, *.example.org or example.org:8443`,
		"FANFARE_DRAIN: it must be a duration, such as 500ms, 10s or 2m",
		`FANFARE_TOPIC: "slow=never": `, "unknown flag -nonsense", "unknown flag -max-mesage; did you mean -max-message?",
		`unexpected argument "serve"`, "-tls-timeout needs a value: write -tls-timeout TIME",
	}
	for _, w := range want {
		if !slices.ContainsFunc(l.Problems, func(p Problem) bool { return strings.HasPrefix(p.String(), w) }) {
			t.Errorf("%q is not reported", w)
		}
	}
	if len(l.Problems) != len(want) || len(l.Notes) != 1 || !strings.HasPrefix(l.Notes[0], "FANFARE_MAX_TOPIC: this variable is not a setting; did you mean FANFARE_MAX_TOPICS?") {
		t.Errorf("%v\n%v", l.Problems, l.Notes)
	}
}

func TestCommands(t *testing.T) {
	for args, want := range map[string]Command{
		"": Serve, "-verbose": Serve, "check": Check, "check -verbose": Check, "-verbose check": Check, "config": Print, "version": Version, "-version": Version,
		"--version": Version, "help": Help, "-h": Help, "-help": Help, "--help": Help, "check -help": Help, "-verbose=false": Serve, "-help=false": Serve,
		"-user-header check": Serve, "--user-header version": Serve,
	} {
		if l := Load(strings.Fields(args), nil); l.Command != want || len(l.Problems) > 0 {
			t.Errorf("%q: %q, %v; want %q", args, l.Command, l.Problems, want)
		}
	}
}

// What fanfare config prints is accepted, and means the same as no file.
func TestTemplate(t *testing.T) {
	var b bytes.Buffer
	WriteTemplate(&b)
	c := fine(t, nil, "-config", write(t, "fanfare.toml", b.String()))
	if changes := Diff(Default(), c); len(changes.Live)+len(changes.Restart) != 1 { // -config itself
		t.Errorf("%+v", changes)
	}
	if c.Explicit("limits.max-conns-per-addr") || c.Explicit("access.anonymous.write") {
		t.Error("it gives what has another meaning if it is given")
	}
	uncommented := ""
	for line := range strings.Lines(b.String()) {
		rest, ok := strings.CutPrefix(line, "# ")
		if key, _, found := strings.Cut(rest, " = "); ok && found && !strings.Contains(key, " ") || strings.HasPrefix(rest, "[[") {
			line = rest
		}
		uncommented += line
	}
	l := Load([]string{"-config", write(t, "fanfare.toml", uncommented)}, nil)
	others := slices.DeleteFunc(l.Problems, func(p Problem) bool { return strings.Contains(p.String(), "exclude each other") })
	if len(others) > 0 || len(l.Config.Topics) != 1 || len(l.Config.Access.Keys) != 1 {
		t.Errorf("with its examples: %v", l.Problems)
	}
	for _, f := range settings().fields {
		if f.inFile && !strings.Contains(b.String(), f.key) {
			t.Errorf("%s is missing", f.path)
		}
	}
}

// Secrets appear neither in values, nor in errors, nor when they are printed.
func TestSecretsAreMasked(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	file := write(t, "a.toml", "[[access.key]]\nname='a'\nsecret='"+secret+"'\nread=['>']\n[[access.key]]\nname='b'\nsecret=['"+secret+"']\nread=['>']\n"+
		"[[access.key]]\nname='c'\nsecret='"+secret+" x'\nread=['>']\n[[access.key]]\nname='d'\nsecret='"+secret+"'\nread=['>']\n[backend]\nconnect='https://a:"+secret+"@b.example'\n")
	l := Load([]string{"-config", file}, nil)
	l.Inspect(time.Now())
	var b bytes.Buffer
	l.Config.WriteValues(&b, true)
	says := b.String() + l.Problems.Error() + strings.Join(l.Notes, "")
	if len(l.Problems) != 4 || strings.Contains(says, secret) {
		t.Errorf("%s", says)
	}
	if !strings.Contains(says, "the key is the same as that of") || !strings.Contains(says, `secret = "********"`) {
		t.Error(says)
	}
}

// A secret appears in no error, also where it should not be.
func TestSecretsInTheWrongPlace(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for _, text := range []string{
		"[access]\nkey = 'SECRET'", "[access]\nkey = ['SECRET']", "[access]\nkey = 'name=a secret=SECRET'", "access = 'SECRET'",
		"[[access.key]]\nname = 'a'\nsecret = ['SECRET']\nread = ['>']", "[[access.key]]\nname = 'a'\nsecrets = 'SECRET'\nread = ['>']",
		"[backend]\nconnect = 'ftp://app.example/?key=SECRET'", "[backend]\nconnect = 'https://ada:SECRET@app.example/'", "[backend]\nconnect = 'https://SECRET:x/'",
		"[token]\njwks-url = 'file:///keys?key=SECRET'", "[tls.acme]\ndomains = ['a.example']\nstorage = '/nowhere'\nagree = true\nca = 'http://ca.example/?key=SECRET'",
		"[backend]\nconnect = 'https://app.example/hook?key=SECRET'",
		"[webhooks]\nurl = 'https://app.example/SECRET'", "[webhooks]\nurl = ['https://app.example/', 'https://app.example/?SECRET']",
		"[webhooks]\nurl = 'ftp://app.example/SECRET'", "[webhooks]\nurl = ['app.example/SECRET']", "[webhooks]\nurl = 'https://app.example/%zz/SECRET'",
		"webhooks = 'https://app.example/SECRET'", "webhooks = ['https://app.example/SECRET']", "[webhooks]\nurls = ['https://app.example/SECRET']",
		"[webhooks]\nurl = {'https://app.example/' = 'SECRET'}", "[webhooks]\nurl = ['https://app.example/SECRET', 5]",
	} {
		file := write(t, "a.toml", strings.ReplaceAll(text, "SECRET", secret))
		l := Load([]string{"-config", file}, nil)
		l.Inspect(time.Now())
		var b bytes.Buffer
		l.Config.WriteValues(&b, true)
		if says := b.String() + l.Problems.Error() + strings.Join(l.Notes, ""); strings.Contains(says, secret) {
			t.Errorf("%s: %s", text, l.Problems)
		}
	}
	file := write(t, "a.toml", "[[access.key]]\nname = 'a'\nsecret = 12345678\nread = ['>']\n[access]\nkey = 12345678")
	if says := all(file).Error(); strings.Contains(says, "12345678") {
		t.Error(says)
	}
}

// Nor does one in the URL of a webhook in the command line or the environment.
func TestSecretsOfWebhookURLs(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for args, env := range map[string]string{
		"-webhook-url https://app.example/SECRET": "", "-webhook-url app.example/SECRET": "", "-webhook-url https://b.example/ https://app.example/SECRET": "",
		"-webhook-urls https://app.example/SECRET": "",
		"": "FANFARE_WEBHOOK_URL=https://app.example/SECRET", "-verbose": "FANFARE_WEBHOOK_URLS=https://app.example/SECRET",
	} {
		l := Load(strings.Fields(strings.ReplaceAll(args, "SECRET", secret)), []string{strings.ReplaceAll(env, "SECRET", secret)})
		l.Inspect(time.Now())
		var b bytes.Buffer
		l.Config.WriteValues(&b, true)
		if says := b.String() + l.Problems.Error() + strings.Join(l.Notes, ""); strings.Contains(says, secret) {
			t.Errorf("%s %s: %s %s", args, env, l.Problems, l.Notes)
		}
	}
	var b bytes.Buffer
	fine(t, nil, "-webhook-url", "https://app.example:8443/x,http://b.example").WriteValues(&b, true)
	if want := `["https://app.example:8443/…", "http://b.example"]`; !strings.Contains(b.String(), want) {
		t.Errorf("it does not say %s:\n%s", want, &b)
	}
}

func TestWriteValues(t *testing.T) {
	file := write(t, "a.toml", "[[topic]]\npattern='news.>'\nhistory=5\nage='90m'\n")
	c := fine(t, []string{"FANFARE_MAX_MESSAGE=64k"}, "-config", file, "-origins", "a.example,b.example")
	var b bytes.Buffer
	c.WriteValues(&b, true)
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		`limits.max-message "64KiB" FANFARE_MAX_MESSAGE`, `access.origins ["a.example", "b.example"] -origins`, `limits.ping "25s" default`,
		`topic[0] {pattern = "news.>", history = 5, age = "1h30m"} ` + file + ":1", `config "` + file + `" -config`, "limits.idle-timeout \"2m\" default",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %s:\n%s", want, b.String())
		}
	}
}

// Without -all there are only the settings that differ from their defaults, and those which it matters to have given.
func TestWriteDifferences(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"-max-message 1MiB -ping 25s -origins=", ""}, // as they are without
		{"-max-message 64KiB -verbose -addr :80", `verbose true -verbose | listen[0] {addr = ":80"} -addr | limits.max-message "64KiB" -max-message`},
		{"-topic-message-rate 10000", "limits.topic-message-rate 10000 -topic-message-rate"}, // it spares local clients no more
		{"-backend-publish http://app.example/", `access.anonymous.write [] default | access.anonymous.manage [] default | access.users.write [] default | ` +
			`access.users.manage [] default | backend.publish "http://app.example/" -backend-publish`}, // rights depend on others
	} {
		l := Load(strings.Fields(c.args), nil)
		var some, all bytes.Buffer
		left, none := l.Config.WriteValues(&some, false), l.Config.WriteValues(&all, true)
		var got []string
		for line := range strings.Lines(some.String()) {
			if got = append(got, strings.Join(strings.Fields(line), " ")); !strings.Contains(strings.Join(strings.Fields(all.String()), " "), got[len(got)-1]) {
				t.Errorf("%s: with all settings it does not say %s", c.args, line)
			}
		}
		if strings.Join(got, " | ") != c.want {
			t.Errorf("%s:\n     %s\nwant %s", c.args, strings.Join(got, " | "), c.want)
		}
		if n := strings.Count(all.String(), "\n"); none != 0 || left != n-len(got) {
			t.Errorf("%s: %d of %d are left out, and %d of all", c.args, left, n, none)
		}
	}
}

// The level of compression is from 1 to 9, and of use only with -compress.
func TestCompressLevel(t *testing.T) {
	if c := fine(t, nil, "-compress", "-compress-level", "9"); c.CompressLevel != 9 {
		t.Errorf("%d", c.CompressLevel)
	}
	if c := fine(t, nil); c.CompressLevel != 5 {
		t.Errorf("%d by default", c.CompressLevel)
	}
	for args, want := range map[string]string{
		"-compress -compress-level 10":   "-compress-level is 10; it must be from 1, the least CPU, to 9, the fewest bytes",
		"-compress -compress-level 0":    "-compress-level is 0; it must be at least 1",
		"-compress -compress-level best": "-compress-level: ",
	} {
		if l := Load(strings.Fields(args), nil); len(l.Problems) != 1 || !strings.HasPrefix(l.Problems[0].String(), want) {
			t.Errorf("%s: %v", args, l.Problems)
		}
	}
	if l := Load([]string{"-compress-level", "1"}, nil); len(l.Problems) > 0 || len(l.Notes) != 1 || !strings.Contains(l.Notes[0], "no effect") {
		t.Errorf("%v, %v", l.Problems, l.Notes)
	}
}
