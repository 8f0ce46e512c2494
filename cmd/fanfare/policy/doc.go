// Package policy decides who a caller is, and what it may do. Every entrance asks it, and nothing else.
//
// [Policy.Identify] says who has sent some [Credentials], [Policy.Authorize] whether its rights allow an action, and
// [Policy.Open] and [Policy.Leave] are called for each connection, so that it ends with its identity.
//
// An [Identity] is made once, from a key, a token, the name that a trusted proxy sends, or the answer of the operator's program. A
// connection keeps its Rights, a pointer that equal identities share, and a [Handle] of 4 bytes, never the key or token.
//
// Package rights says what a right covers, package token what a token may contain, with an example.
//
// # Who may do what by default
//
//	without keys and tokens   everybody may do everything, except read and list the topics of users
//	with keys                 callers without one may read and list topics
//	with tokens               callers without one may do nothing
//
// Options.Anonymous says otherwise. A secret that is no key is ignored as long as there are no tokens, because it may be meant
// for a proxy. With tokens it is refused.
//
// # Refusals
//
//	401  the caller has not said who it is, or its key or token is not valid; with WWW-Authenticate (RFC 6750)
//	403  its rights do not allow that
//	429  the user has too many connections
//	503  the keys for its token cannot be fetched at the moment; with Retry-After
//
// They say what is wrong, and never contain a key or token.
//
// # The end of an identity
//
// A connection ends when its token expires, by the wall clock and with the leeway, unless it has been renewed before with a
// token of the same user. It also ends when its token is revoked, and when its key is gone or has other rights after a reload.
// Otherwise a reload does not change the rights of open connections. Revocations stay in force over a reload, and are lost
// when the program ends.
//
// Between a handshake and Open a token may be revoked. A revocation adds its entry first and searches the connections then; Open
// adds the connection first and looks for an entry then. So one of them finds the other. The same holds for keys and reloads.
//
// # Locks
//
// Policy.mu is for reloads, which read files. Requests never take it: they load the state, which does not change, once. All
// other locks are leaves: those of the shards of package conns, of the table of package revoke, of the tables of package rights,
// and of remembered signatures and the state of the URL in package token. No function of the program is called under any of
// them, except [Options.Now].
//
// # Goroutines
//
// One ends connections that expire, and one fetches the keys of a URL, if there is one. Close ends both.
//
// # Limits
//
//	keys                           1,024, of 16 to 4,096 bytes; Options.TokenFile may have any
//	secrets of a request           4; the others are ignored
//	tokens                         8 KiB
//	names and patterns of rights   1,024
//	revocations                    Options.MaxRevocations: a further one is refused
//	connections of a user          Options.MaxConnsPerUser, or what the rights say
package policy
