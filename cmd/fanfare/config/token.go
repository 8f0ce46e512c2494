package config

import "time"

// Token is how JSON Web Tokens are verified (RFC 7519). Tokens are accepted if Algorithms is not empty.
type Token struct {
	Algorithms     []string      `placeholder:"NAMES" help:"comma-separated algorithms of tokens (JWT) that are accepted, of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA. Tokens are off without them"`
	HMACSecretFile string        `name:"hmac-secret-file" toml:"hmac-secret-file" placeholder:"FILE" help:"file with the secret of HS256, HS384 and HS512, at least 32 bytes; a final line break does not count"`
	PublicKeyFiles []string      `placeholder:"FILES" help:"comma-separated files with public keys, in PEM"`
	JWKSFile       string        `name:"jwks-file" toml:"jwks-file" placeholder:"FILE" help:"file with a set of keys (RFC 7517)"`
	JWKSURL        string        `name:"jwks-url" toml:"jwks-url" placeholder:"URL" help:"URL of a set of keys, which the server fetches at the start and every -jwt-jwks-refresh"`
	JWKSRefresh    time.Duration `name:"jwks-refresh" toml:"jwks-refresh" placeholder:"TIME" default:"1h" min:"1" help:"time after which the set of keys is fetched again"`
	Audience       []string      `placeholder:"NAMES" help:"comma-separated audiences; a token must have one of them, if any is given"`
	Issuer         string        `placeholder:"NAME" help:"issuer that a token must have, if one is given"`
	Leeway         time.Duration `placeholder:"TIME" default:"5s" min:"0" help:"difference of clocks to allow for"`
	Cookie         string        `placeholder:"NAME" help:"name of a cookie that contains the token; without it no cookie is read"`
	UserClaim      string        `placeholder:"NAME" default:"sub" help:"claim that names the user"`
}
