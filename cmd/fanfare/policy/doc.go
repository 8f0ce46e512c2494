// Package policy decides who a caller is, and what it may do. Every entrance asks it, and nothing else.
//
//	p, errs := policy.New(policy.Options{TokenFile: "token"})
//	id, refusal := p.Identify(p.Credentials(policy.Handshake(request)))
//	refusal = p.Authorize(id.Rights, policy.Read, "news.>")
//
// An [Identity] is made once, from a key, a token, the name that a trusted proxy sends, or the answer of the operator's program. A
// connection keeps its Rights, a pointer that equal identities share. See package rights for what a right covers.
//
// # Who may do what by default
//
//	without keys and tokens   everybody may do everything, except read and list the topics of users
//	with keys                 callers without one may read and list topics
//	with tokens               callers without one may do nothing
//
// Options.Anonymous says otherwise. A secret that is no key is ignored as long as there are no tokens, because it may be meant
// for a proxy. With tokens it is refused.
package policy
