// Package account knows who somebody is: names, passwords, logins and their cookies, and
// how often somebody may try.
//
// # Names
//
// A name is shown as its owner wrote it, but compared by a key in which it makes no
// difference how it was typed: case, width, ligatures, and the ways in which Unicode
// writes the same letter. So nobody can be called Ada beside ADA, nor Café beside a Café
// that is typed with an accent of its own.
//
// # Passwords
//
// Their hashes are argon2id's, as strings that have their parameters. It takes 19 MiB to
// compute one, so only a few are computed at a time; who waits does so for as long as
// their context lasts. To log in with a name that nobody has takes the same work and has
// the same answer as a wrong password.
//
// # Logins
//
// A client has a random token, in a cookie; the store has its SHA-256 alone, so that who
// reads the store cannot log in with what stands there.
//
// # Limits
//
// Attempts are counted for each name and for each address, in memory that is bounded. A
// limit is a rate at which attempts come back, and how many there are at first. The clock
// is an argument.
package account
