// Package account authenticates users: names, passwords, logins and their cookies, and limits on
// attempts.
//
// # Names
//
// A name is shown as its owner wrote it. Names are compared by a key that ignores case, width and
// different Unicode encodings of a letter. So Ada and ADA are the same name, and so are Café with a
// composed and with a combining accent. Each word of a new name must be a PRECIS username (RFC
// 8265); accounts with older names can still log in. The store refuses names that look like an
// existing name.
//
// # Passwords
//
// A password is prepared by the PRECIS profile OpaqueString, so that it is the same on every
// keyboard. Its length is counted in characters. The accounts of earlier versions have the hash of
// the unprepared password; LogIn tries that form too, and counts it as a further attempt. Hashes are
// argon2id, in a string with their parameters. Computing one takes 19 MiB, so only a few are computed
// at a time, in turns of the addresses: a flood from one address delays others by one hash. A login
// with an unknown name takes the same work, and gets the same answer, as one with a wrong password.
//
// # Logins
//
// A client holds a random token in a cookie. The store has only its SHA-256, so a reader of the
// database cannot log in with it. A cookie that was set over TLS, to this server or to a trusted
// proxy, is only sent over TLS, and has a name of its own. A login ends when its cookie is replaced by
// another, and the oldest logins of a user end when there are too many.
//
// # Limits
//
// Attempts to log in are counted per pair of name and address. From addresses at which the name has
// not logged in before, they are also counted per name and per address. So other people cannot lock a
// user out at an address where that user usually logs in. An attempt with the cookie of a valid
// login for that name is counted by that login alone. Attempts above the rate wait for a few seconds, and are refused
// only if they would have to wait longer. Looking up a token happens before anything is counted, so the
// number of concurrent lookups is limited, in turns of the addresses. The memory for all this is
// bounded: the owners with the fewest attempts are forgotten first. The clock is an argument.
package account
