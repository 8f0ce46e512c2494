package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
)

// NATS joins the server with others to a cluster: see package natsbroker. All nodes must have the same Prefix and Stream, and
// the same rules for topics.
type NATS struct {
	URLs   []string `name:"nats" toml:"url" placeholder:"URLS" help:"comma-separated URLs of servers of one NATS cluster with JetStream, such as nats://host:4222, or tls://host:4222. Servers with the same NATS, prefix and rules for topics are nodes of a cluster: a message that is published at one of them reaches the subscribers of all. Without this flag the server stands alone"`
	Prefix string   `name:"nats-prefix" placeholder:"WORD" default:"fanfare" help:"word that begins all subjects in NATS. Clusters with different prefixes can share NATS"`
	Stream string   `name:"nats-stream" placeholder:"NAME" derived:"the prefix in upper case" help:"name of the stream in JetStream"`

	Replicas    int           `name:"nats-replicas" placeholder:"NUMBER" derived:"3 with two or more -cluster-peers, else 1" min:"1" help:"how many servers of NATS store each message, from 1 to 5. With 3, one of them can fail without a loss"`
	MaxBytes    Size          `name:"nats-max-bytes" placeholder:"BYTES" default:"1GiB" min:"1" help:"size of the stream. What exceeds it removes the oldest messages of all topics"`
	MaxMessages int           `name:"nats-max-messages" placeholder:"NUMBER" default:"10000" min:"1" help:"how many messages of each topic the stream keeps: at least as many as the longest history of a topic"`
	MinAge      time.Duration `name:"nats-min-age" placeholder:"TIME" default:"30s" min:"1" help:"how long the stream keeps the messages of topics without history, for nodes that have lost their connection. At least 1s"`
	NoCreate    bool          `name:"nats-no-create" help:"do not create the stream, and do not change its configuration: somebody else does"`
	Timeout     time.Duration `name:"nats-timeout" placeholder:"TIME" default:"5s" min:"1" help:"longest time for which a publisher or a subscriber waits for NATS"`

	User            string `name:"nats-user" placeholder:"NAME" help:"user at NATS, with the password in -nats-password-file"`
	PasswordFile    string `name:"nats-password-file" placeholder:"FILE" help:"file whose only word is the password at NATS"`
	TokenFile       string `name:"nats-token-file" placeholder:"FILE" help:"file whose only word is the token for NATS"`
	CredentialsFile string `name:"nats-credentials-file" placeholder:"FILE" help:"file with credentials for NATS: a JWT and the seed of its key, as nsc writes it. Each new connection reads it again"`
	NKeyFile        string `name:"nats-nkey-file" toml:"nkey-file" placeholder:"FILE" help:"file with the seed of an NKey for NATS"`

	CA   string `name:"nats-ca" toml:"ca" placeholder:"FILE" help:"file with the certificates, in PEM, of the authorities that have issued those of NATS, in place of the system's"`
	Cert string `name:"nats-cert" placeholder:"FILE" help:"file with the certificate that the server shows to NATS, in PEM"`
	Key  string `name:"nats-key" placeholder:"FILE" help:"file with the key of -nats-cert, in PEM"`
}

// Any reports whether the server is a node of a cluster.
func (n *NATS) Any() bool { return len(n.URLs) > 0 }

// Options returns the options of the broker, without Topic and OnError. It reads the files of the password and the token.
func (n *NATS) Options() (natsbroker.Options, error) {
	o := natsbroker.Options{
		URLs: n.URLs, Name: "fanfare", Prefix: n.Prefix, Stream: n.Stream, Replicas: n.Replicas, MaxMessages: n.MaxMessages,
		MaxBytes: int64(n.MaxBytes), NoCreate: n.NoCreate, MinAge: n.MinAge,
		Credentials: n.CredentialsFile, NKeySeed: n.NKeyFile, CA: n.CA, Cert: n.Cert, Key: n.Key,
	}
	user, err := n.userinfo()
	if err != nil || user == nil {
		return o, err
	}
	o.URLs = nil
	for _, s := range n.URLs {
		u, err := url.Parse(s)
		if err != nil { // Load has refused it
			return o, errors.New("nats.url: a URL is not valid")
		}
		u.User = user
		o.URLs = append(o.URLs, u.String())
	}
	return o, nil
}

// userinfo returns what package nats takes from a URL: user and password, or a token. It is nil if there is neither.
func (n *NATS) userinfo() (*url.Userinfo, error) {
	switch {
	case n.TokenFile != "":
		word, err := secretfile.Word(n.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("nats.token-file: %w", err)
		}
		return url.User(word), nil
	case n.PasswordFile != "":
		word, err := secretfile.Word(n.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("nats.password-file: %w", err)
		}
		return url.UserPassword(n.User, word), nil
	}
	return nil, nil
}

func (l *loader) validateNATS() {
	n := &l.config.NATS
	for i, text := range n.URLs {
		l.checkNATS(fmt.Sprintf("nats.url[%d]", i), text)
	}
	l.checkPlain("nats.prefix", n.Prefix, "with dots between them, such as fanfare or chat.test")
	l.checkPlain("nats.stream", strings.ReplaceAll(n.Stream, ".", " "), "such as FANFARE")
	if n.Replicas > 5 {
		l.refuse("nats.replicas", " is %d; NATS allows 1 to 5", n.Replicas)
	}
	if n.MinAge < time.Second && l.good("nats.min-age") {
		l.refuse("nats.min-age", " is %v; it must be at least 1s", n.MinAge)
	}
	l.validateNATSHistory()
	l.validateNATSLogin()
	l.together("nats.cert", n.Cert, "nats.key", n.Key, "a certificate needs its key")
	l.unusedNATS()
}

// checkNATS reports what is wrong with the URL of a server of NATS. It shows no user and no password.
func (l *loader) checkNATS(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		l.refuse(path, " is no URL of a server of NATS; it must be one such as nats://host:4222")
	case u.Scheme != "nats" && u.Scheme != "tls":
		l.refuse(path, " has the scheme %s; it must be nats, or tls, such as nats://%s", u.Scheme, u.Host)
	case u.User != nil:
		l.refuse(path, " has a user or a password, which other users of this machine could see; give %s and %s, or %s",
			l.nameOf("nats.user", path), l.nameOf("nats.password-file", path), l.nameOf("nats.token-file", path))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		l.refuse(path, " has more than a host and a port; it must be like nats://%s", u.Host)
	}
}

// checkPlain reports a name that NATS does not allow in a subject.
func (l *loader) checkPlain(path, name, like string) {
	for token := range strings.SplitSeq(name, ".") {
		bad := strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
		if name != "" && (token == "" || bad != "") && l.good(path) {
			l.refuse(path, " is %q; it must be letters, digits, - and _, %s", valueOf(l.config).FieldByIndex(settings().byPath[path].index).String(), like)
		}
	}
}

// validateNATSHistory reports a topic whose history is longer than what the stream keeps.
func (l *loader) validateNATSHistory() {
	const path = "nats.max-messages"
	n := &l.config.NATS
	for i, t := range l.config.Topics {
		if l.config.Linked() && t.History > n.MaxMessages && l.good(path) {
			l.refuse(path, " is %d; it must be at least the history of %s, %d", n.MaxMessages, fmt.Sprintf("topic[%d]", i), t.History)
		}
	}
}

// validateNATSLogin reports more than one way to log in at NATS, and half of one.
func (l *loader) validateNATSLogin() {
	n := &l.config.NATS
	l.together("nats.user", n.User, "nats.password-file", n.PasswordFile, "NATS needs both")
	first := ""
	for _, way := range []struct{ path, value string }{
		{"nats.credentials-file", n.CredentialsFile}, {"nats.nkey-file", n.NKeyFile}, {"nats.token-file", n.TokenFile}, {"nats.user", n.User},
	} {
		switch {
		case way.value == "":
		case first == "":
			first = way.path
		default:
			l.refuse(way.path, " and %s exclude each other: one of them is enough", l.nameOf(first, way.path))
		}
	}
}

// together reports one of two settings without the other.
func (l *loader) together(a, first, b, second, why string) {
	switch {
	case first != "" && second == "" && l.good(a, b):
		l.refuse(a, " is given without %s; %s", l.nameOf(b, a), why)
	case first == "" && second != "" && l.good(a, b):
		l.refuse(b, " is given without %s; %s", l.nameOf(a, b), why)
	}
}

// ofStream are the settings that a NATS server in this process has, too.
var ofStream = map[string]bool{
	"nats.prefix": true, "nats.stream": true, "nats.replicas": true, "nats.max-bytes": true, "nats.max-messages": true, "nats.min-age": true, "nats.timeout": true,
}

// unusedNATS notes settings that have no effect because the server stands alone, or has a NATS server of its own.
func (l *loader) unusedNATS() {
	if l.config.NATS.Any() || !l.good("nats.url") {
		return
	}
	without := valueOf(defaults()) // a file of fanfare config has all of them
	for _, f := range settings().fields {
		given := l.config.Explicit(f.path) && !equal(f.of(l.value), f.of(without))
		if strings.HasPrefix(f.path, "nats.") && given && !(l.config.Cluster.Any() && ofStream[f.path]) {
			l.note(f.path, " is given without %s, so it has no effect", l.nameOf("nats.url", f.path))
		}
	}
}
