// Package account knows who somebody is: names, passwords, logins and their cookies, and
// how often somebody may try.
//
// # Names
//
// A name is shown as its owner wrote it, but compared by a key in which it makes no
// difference how it was typed: case, width, and the ways in which Unicode writes the same
// letter. So nobody can be called Ada beside ADA, nor Café beside a Café that is typed with
// an accent of its own. Its words are usernames of PRECIS (RFC 8265); names from before
// that was so still log in. The store refuses names that look the same as another's.
//
// # Passwords
//
// A password is prepared as PRECIS has it (OpaqueString), so that it is the same on every
// keyboard, and its length is counted in characters. Accounts from before that was so have
// the hash of what was typed, which is tried too, as one attempt more. The hashes are argon2id's, as strings
// that have their parameters. It takes 19 MiB to compute one, so only a few are computed at
// a time, in turns of the addresses that want some: a flood from one address delays the
// others by one hash. To log in with a name that nobody has takes the same work and has the
// same answer as a wrong password.
//
// # Logins
//
// A client has a random token, in a cookie; the store has its SHA-256 alone, so that a
// reader of the store cannot log in with what stands there. A cookie that came over TLS, to
// this server or to a proxy that is trusted, is sent over TLS alone, under a name of its
// own. A login whose cookie is replaced by another ends, and so do the oldest of a user who
// has too many.
//
// # Limits
//
// Attempts to log in are counted for a name and an address together; beside that for each
// name and for each address, but only from places where that name has not logged in before.
// So a user cannot be shut out from where they always log in, and one who has a login is
// counted by that. Attempts beyond the rate wait for some seconds, and are refused only if
// they would have to wait longer. Whose a token is, is asked before anything is counted, so it has
// places for that, in turns of the addresses. All is kept in memory that is bounded: the owners that
// have tried least are forgotten first. The clock is an argument.
package account
