package config

import (
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// validate reports the values that cannot be right, alone or beside others. It looks at no file. A field that has a mistake
// already is not looked at again.
func (l *loader) validate() {
	l.validateCompress()
	l.validateTLS()
	l.validateAccess()
	l.validateKeys()
	l.validateToken()
	l.validateLog()
	l.validateBackend()
	l.validateWebhooks()
	l.validateNATS()
	l.validateCluster()
	l.validateLimits()
}

func (l *loader) validateCompress() {
	const compress, level = "compress", "compress-level"
	if n := l.config.CompressLevel; n > 9 {
		l.refuse(level, " is %d; it must be from 1, the least CPU, to 9, the fewest bytes", n)
	}
	if n := l.config.CompressLevel; n != 5 && !l.config.Compress && l.good(compress, level) {
		l.note(level, " is %d, which has no effect, as %s is off", n, l.nameOf(compress, level))
	}
}

func (l *loader) validateAccess() {
	a := &l.config.Access
	trimSlashes(a.Origins)
	trimSlashes(a.Hosts)
	l.each("access.origins", a.Origins, wsproto.ValidateOrigin)
	l.each("access.hosts", a.Hosts, wsproto.ValidateHost)
	l.proxies("access.trusted-proxies", a.TrustedProxies)
	l.proxies("access.proxy-protocol", a.ProxyProtocol)
	l.rights("access.anonymous", rights.Grants{Read: a.Anonymous.Read, Write: a.Anonymous.Write, List: a.Anonymous.List, Manage: a.Anonymous.Manage})
	l.rights("access.users", a.Users.grants())
	l.validateUserHeader(a)
}

// trimSlashes removes the slash that people copy from their browser.
func trimSlashes(list []string) {
	for i := range list {
		list[i] = strings.TrimSuffix(list[i], "/")
	}
}

// proxies reports mistakes in a list of addresses.
func (l *loader) proxies(path string, list []string) {
	if _, err := wsproto.ParseProxies(strings.Join(list, ",")); err != nil {
		l.refuse(path, ": %s", clean(err))
	}
}

func (l *loader) validateUserHeader(a *Access) {
	if a.UserHeader != "" && !isToken(a.UserHeader) {
		l.refuse("access.user-header", " is %q; it must be the name of a field, such as X-User", a.UserHeader)
	}
	if a.UserHeader != "" && len(a.TrustedProxies) == 0 && l.good("access.user-header", "access.trusted-proxies") {
		l.note("access.user-header", " is %s, which is ignored from everybody, as %s is none", a.UserHeader, l.nameOf("access.trusted-proxies", "access.user-header"))
	}
}

// rights reports mistakes in rights.
func (l *loader) rights(path string, g rights.Grants) {
	l.each(path+".read", g.Read, rights.CheckPattern)
	l.each(path+".write", g.Write, rights.CheckPattern)
	l.each(path+".list", g.List, rights.CheckPattern)
	l.each(path+".manage", g.Manage, rights.CheckPattern)
}

// clean returns the text of an error without the name of a package.
func clean(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "wsproto: "), "hub: ")
}

// isToken reports whether s may be the name of a field or of a cookie (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

func (l *loader) validateTLS() {
	t := &l.config.TLS
	switch {
	case t.Cert != "" && t.Key == "":
		l.refuse("tls.cert", " is given without %s; TLS needs both", l.nameOf("tls.key", "tls.cert"))
	case t.Cert == "" && t.Key != "":
		l.refuse("tls.key", " is given without %s; TLS needs both", l.nameOf("tls.cert", "tls.key"))
	case t.Cert != "" && len(t.ACME.Domains) > 0:
		l.refuse("tls.acme.domains", " and %s exclude each other: certificates come from files or from the authority", l.nameOf("tls.cert", "tls.acme.domains"))
	}
	if len(t.ACME.Domains) > 0 {
		l.validateACME(&t.ACME)
	}
}

func (l *loader) validateACME(a *ACME) {
	for _, d := range a.Domains {
		if err := certs.CheckDomain(d); err != nil {
			l.refuse("tls.acme.domains", ": %v", err)
			break
		}
	}
	if a.Storage == "" {
		l.refuse("tls.acme.domains", " is given without %s, a directory that keeps accounts and certificates", l.nameOf("tls.acme.storage", "tls.acme.domains"))
	}
	if !a.Agree {
		l.refuse("tls.acme.domains", " is given without %s; to agree to the authority's terms is a condition of its certificates", l.nameOf("tls.acme.agree", "tls.acme.domains"))
	}
	l.checkURL("tls.acme.ca", a.CA)
}
