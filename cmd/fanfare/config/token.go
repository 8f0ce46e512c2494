package config

import (
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// Token is how JSON Web Tokens are verified (RFC 7519). Tokens are accepted if there is any key for them.
type Token struct {
	Algorithms     []string      `placeholder:"NAMES" live:"" help:"comma-separated algorithms of tokens (JWT) that are accepted, such as HS256, RS256, PS256, ES256 and EdDSA; by default those for which there are keys"`
	SecretFiles    []string      `placeholder:"FILES" live:"" help:"comma-separated files with secrets of HS256, HS384 and HS512, of at least 32, 48 and 64 bytes"`
	PublicKeyFiles []string      `placeholder:"FILES" live:"" help:"comma-separated files with public keys (RSA, ECDSA, Ed25519) or certificates, in PEM"`
	JWKSFile       string        `placeholder:"FILE" live:"" help:"file with a set of keys (RFC 7517)"`
	JWKSURL        string        `name:"jwks-url" toml:"jwks-url" placeholder:"URL" live:"" help:"URL of a set of keys, which the server fetches at the start, every -jwt-refresh, and when a token has an unknown key"`
	Refresh        time.Duration `placeholder:"TIME" default:"10m" min:"1" live:"" help:"time after which the set of keys is fetched again"`
	Audience       []string      `placeholder:"NAMES" live:"" help:"comma-separated audiences; a token must have one of them, if any is given"`
	Issuer         string        `placeholder:"NAME" live:"" help:"issuer that a token must have, if one is given"`
	Leeway         time.Duration `placeholder:"TIME" default:"5s" min:"0" live:"" help:"how far the clocks of issuer and server may differ"`
	RequireExpiry  bool          `live:"" help:"refuse tokens that do not expire"`
	MaxLifetime    time.Duration `placeholder:"TIME" default:"0s" min:"0" live:"" help:"longest time from the issue of a token to its expiry; 0 means no limit"`
	Cookie         string        `placeholder:"NAME" live:"" help:"name of a cookie that contains the token or a key; without it no cookie is read"`
	Granted        Granted       `embed:"" prefix:"granted-"`
}

// Granted are the rights of tokens that have none of the claims read, write, list and manage.
type Granted struct {
	Read   []string `placeholder:"PATTERNS" default:"none" live:"" help:"topics that the bearer of a token may read that has none of the claims read, write, list and manage; {user} stands for the name of the user"`
	Write  []string `placeholder:"PATTERNS" default:"none" live:"" help:"topics to which the bearer of such a token may publish"`
	List   []string `placeholder:"PATTERNS" default:"none" live:"" help:"topics that the bearer of such a token may list"`
	Manage []string `placeholder:"PATTERNS" default:"none" live:"" help:"topics whose subscribers the bearer of such a token may disconnect"`
}

// Options returns the options of the verifier of tokens.
func (t *Token) Options() token.Options {
	return token.Options{
		Algorithms: t.Algorithms, SecretFiles: t.SecretFiles, PublicKeyFiles: t.PublicKeyFiles,
		JWKSFile: t.JWKSFile, JWKSURL: t.JWKSURL, Refresh: t.Refresh,
		Audience: t.Audience, Issuer: t.Issuer, Leeway: t.Leeway, RequireExpiry: t.RequireExpiry, MaxLifetime: t.MaxLifetime,
	}
}

// Configured reports whether any token can be valid.
func (t *Token) Configured() bool {
	o := t.Options()
	return o.Configured()
}
