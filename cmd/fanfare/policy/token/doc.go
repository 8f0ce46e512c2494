// Package token checks JSON Web Tokens (RFC 7519), which are signed with HMAC, RSA, ECDSA or Ed25519.
//
// # Claims
//
//	{
//	  "sub": "ada",
//	  "exp": 1767326645,
//	  "iat": 1767323045,
//	  "jti": "0b5e2c1a",
//	  "read": ["news.>", "inbox.{user}.>"],
//	  "write": ["chat.lobby"],
//	  "list": ["chat.*"],
//	  "manage": [],
//	  "rate": {"messages": 10, "bytes": 65536},
//	  "conns": 5,
//	  "data": {"name": "Ada"}
//	}
//
// No claim is required:
//
//	sub      the name of the user (see hub.CheckUser); without it the client is no user
//	exp      when the token ends: the client needs a new one, or its connections close
//	nbf      from when on it is valid
//	iat      when it was issued; tokens without it count as the oldest when tokens are revoked by their age
//	jti      the name of the token, by which it can be revoked, of up to 255 bytes
//	iss, aud checked if Options.Issuer and Options.Audience say so
//	read     names and patterns of topics to subscribe to, and whose history may be read
//	write    those to publish to
//	list     those that may be seen to exist, with their figures and who is present
//	manage   those whose subscriptions and users' connections may be ended
//	rate     messages and bytes a second of one connection, instead of the server's limits
//	conns    connections of the user at a time, instead of the server's limit
//	data     presence data: any JSON, 1 KiB by default
//
// Package rights describes the patterns. A token that has at least one of the four lists has no other rights. Another one has
// those that the server gives to such tokens.
//
// If a token has the claim fanfare, an object, then read, write, list, manage, rate, conns and data are its members, and
// those outside do not count. Names are case-sensitive. A claim of another type, and a member of fanfare that does not
// exist, make the token invalid. Other claims are ignored.
//
// # Keys
//
// A key is used for the algorithms that are configured, and only for those of its kind, size or curve. So a token cannot have a
// public key taken for a secret. Keys of a JSON Web Key Set are found by kid. A token without kid is checked with all
// that are possible, if these are at most 8. Secrets have at least as many bits as the digest of the algorithm, and RSA keys 2,048.
// Keys in the token's own header (jwk, jku, x5c, x5u) do not count, and critical parameters (crit) are refused.
//
// The keys of a URL are fetched in the background, at most 1 MiB in at most 10 seconds. If that fails, the ones that there are remain in
// force, and it is tried again after 1 second to a minute. A set without a key that can be used counts as a failure. Until there is a
// first set, its tokens are refused as [NoKeys], which is temporary. So are tokens with an unknown key, if a fetch that may bring
// it is under way.
//
// # Concurrency
//
// A Verifier does not change, except that the goroutine of its URL replaces the set as a whole, and only that goroutine does. A
// verification uses one set from beginning to end, and what it remembers belongs to that set, so that a signature is
// not remembered beyond its key. remote.mu and epoch.mu are leaves, and are held for a few instructions.
//
// # Limits
//
//	length of a token          8 KiB, before anything is parsed
//	keys tried for a token     8
//	keys of a set              256
//	files and responses        1 MiB
//	signatures remembered      65,536, about 1.3 MiB
//	requests to the URL        one each Options.Refresh; one in 30 s for unknown keys; one a minute if they fail
package token
