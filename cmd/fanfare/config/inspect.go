package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// Inspect checks what is outside of the configuration, except whether its addresses are free: the files that it names, and
// the form of the addresses. It opens no socket. It adds to Problems and Notes.
func (l *Loaded) Inspect(now time.Time) {
	i := &inspector{newReporter(l.Config), now}
	i.listeners()
	i.certificate()
	i.word("backend.secret-file", l.Config.Backend.SecretFile)
	i.word("backend.token-file", l.Config.Backend.TokenFile)
	i.webhooks()
	i.nats()
	i.cluster()
	i.policy()
	i.descriptors()
	i.acme(&l.Config.TLS.ACME)
	for _, p := range i.problems {
		if secret, file := strings.CutSuffix(p.Field, ".secret-file"); !l.Problems.have(p.Field) && !(file && l.Problems.have(secret+".secret")) {
			l.Problems = append(l.Problems, p)
		}
	}
	l.Problems.sort()
	l.Notes = append(l.Notes, i.notes...)
}

// have reports whether a mistake was found in a field, or in a part of it.
func (ps Problems) have(path string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		return p.Field == path || strings.HasPrefix(p.Field, path+".") || under(p.Field, path)
	})
}

// inspector checks files.
type inspector struct {
	reporter
	now time.Time
}

// listeners checks the form of the addresses, and what each listener says about itself.
func (i *inspector) listeners() {
	seen := make(map[string]string)
	all := i.config.Listen
	if a := i.config.Admin.Addr; a != "" {
		i.admin(Listener{Addr: a}, seen)
		i.operators()
	}
	for n := range all {
		i.listener(fmt.Sprintf("listen[%d]", n), all[n], seen)
	}
	if len(all) == 0 {
		i.refuse("listen", " is empty; it must have an address, such as :8080")
	}
	if may := i.config.Exposed(); may != "" {
		i.notes = append(i.notes, fmt.Sprintf("other machines can connect, and everybody may %s: give -token-file, keys or tokens, or say that it is meant with -anonymous-write and -anonymous-manage", may))
	}
}

// admin checks the listener for operators.
func (i *inspector) admin(l Listener, seen map[string]string) {
	const path = "admin.addr"
	if strings.Contains(l.Addr, " ") {
		i.refuse(path, " is %q; it must be an address without options", l.Addr)
		return
	}
	i.listener(path, l, seen)
	if keys := i.config.Access.TokenFile != "" || len(i.config.Access.Keys) > 0; !keys && !l.Loopback() && i.good(path) {
		i.refuse(path, " is %s, to which other machines can connect, but there is no key: give %s or a key with all rights, or listen on localhost or a Unix socket",
			l.Addr, i.nameOf("access.token-file", path))
	}
}

// operators adds a note if no key may use the listener of operators. It adds none if there are tokens, whose rights are not
// known before they come.
func (i *inspector) operators() {
	c := i.config
	if c.Access.TokenFile != "" || len(c.Access.Keys) == 0 || c.Token.Configured() {
		return
	}
	for _, k := range c.Access.Keys {
		r, err := rights.Compile(k.grants())
		if err != nil || r.May(policy.Manage, ">") && r.May(policy.Manage, "@>") {
			return
		}
	}
	i.note("admin.addr", " is given, but no key may use it: metrics and the dashboard need one with manage = [\">\", \"@>\"], or %s", i.nameOf("access.token-file", "admin.addr"))
}

// descriptors notes that there is room for fewer connections than the operator wants.
func (i *inspector) descriptors() {
	files := daemon.HighestFileLimit()
	if n := i.config.Limits.MaxConns; files > 0 && uint64(max(n, 0)) > daemon.Room(files) {
		i.note("limits.max-conns", " is %d, but the limit of open files, %d, has room for %d connections: raise it with ulimit -n, LimitNOFILE= of systemd or --ulimit nofile= of Docker",
			n, files, daemon.Room(files))
	}
}

func (i *inspector) listener(path string, l Listener, seen map[string]string) {
	at := path
	if path != "admin.addr" {
		at = path + ".addr"
	}
	err := checkAddress(l.Addr)
	switch before := seen[l.Addr]; {
	case err != nil:
		i.refuse(at, ": %v", err)
	case before != "" && !strings.HasSuffix(l.Addr, ":0"):
		i.refuse(at, " is %s, as that of %s is; each listener needs an address of its own", l.Addr, before)
	}
	seen[l.Addr] = path
	if err := l.checkMode(); err != nil {
		i.refuse(path+".mode", ": %v", err)
	}
	if l.ProxyProtocol && l.Unix() == "" {
		i.note(path+".proxy-protocol", ": everybody who can connect to %s can claim any client address; name the proxies with %s instead, or see to it that nobody else can reach this listener",
			l.Addr, i.nameOf("access.proxy-protocol", path))
	}
	if l.TLS != nil && *l.TLS && !i.config.Secure() {
		i.refuse(path+".tls", " is on, but there is no certificate; give %s and %s, or %s", i.nameOf("tls.cert", path), i.nameOf("tls.key", path), i.nameOf("tls.acme.domains", path))
	}
}

// word checks a file that must contain one word.
func (i *inspector) word(path, file string) {
	if file == "" {
		return
	}
	if _, err := secretfile.Word(file); err != nil {
		i.refuse(path, ": %v", err)
	}
	i.secrecy(path, file)
}

// secrecy notes that everybody on this machine can read a secret.
func (i *inspector) secrecy(path, file string) {
	if s, err := os.Stat(file); err == nil && s.Mode().Perm()&0o004 != 0 {
		i.note(path, ": %s can be read by every user of this machine; chmod o= %[1]s", file)
	}
}

// policy checks the files of keys and tokens.
func (i *inspector) policy() {
	o := i.config.Policy()
	for _, err := range o.Check() {
		var wrong *policy.OptionError
		if errors.As(err, &wrong) && !strings.HasSuffix(wrong.Field, ".name") { // Load has checked the names
			i.refuse(pathOf(wrong.Field), ": %v", wrong.Err)
		}
	}
	i.secrecy("access.token-file", o.TokenFile)
	for n, k := range o.Keys {
		i.secrecy(fmt.Sprintf("access.key[%d].secret-file", n), k.File)
	}
	for _, file := range o.Tokens.SecretFiles {
		i.secrecy("token.secret-files", file)
	}
}

// pathOf returns the path of a field of policy.Options.
func pathOf(field string) string {
	if rest, ok := strings.CutPrefix(field, "keys"); ok {
		return "access.key" + strings.Replace(rest, ".file", ".secret-file", 1)
	}
	if rest, ok := strings.CutPrefix(field, "tokens."); ok {
		return "token." + rest
	}
	if field == "granted" {
		return "token.granted"
	}
	return "access." + field
}

// acme checks the directory of certificates, and the authority's root.
func (i *inspector) acme(a *ACME) {
	if a.CARoot != "" {
		if _, err := readCertificates(a.CARoot); err != nil {
			i.refuse("tls.acme.ca-root", ": %v", err)
		}
	}
	if a.Storage == "" {
		return
	}
	dir, err := os.Stat(a.Storage)
	switch {
	case err == nil && !dir.IsDir():
		i.refuse("tls.acme.storage", " is %s, which is no directory", a.Storage)
	case err == nil && unix.Access(a.Storage, unix.W_OK) != nil:
		i.refuse("tls.acme.storage", " is %s, in which this user may not write", a.Storage)
	case err != nil && !os.IsNotExist(err):
		i.refuse("tls.acme.storage", ": %v", err)
	}
}
