// Package sqlstore keeps what a chat keeps in SQLite, one file and nothing to run, or in
// PostgreSQL, where it can be found by a new server on another machine.
//
// # One idea for both
//
// The code is there once, on database/sql, and so are the statements: what is the same in
// both stands in query.go, and what differs with its dialect, in sqlite.go and
// postgres.go. All of them are prepared. Both databases compare text byte by byte, and
// times are integers.
//
// # Search
//
// Both have to find the same, so words are truncate, folded and normalised here (words.go),
// and neither database's own idea of a word is asked: SQLite's trigrams, for one, miss
// words of two characters, which most words of Chinese are. Where there are no spaces, each
// character and each two side by side are a word. A word is indexed with its room
// in front of it. Both indexes have words in order, so the messages of other rooms
// are not even looked at, although a query asks for all words with a beginning. What a
// user writes cannot become syntax: a query's words are letters, digits and signs beyond
// ASCII only.
//
// An entry of the index has the message's room and number in one integer, room first: so
// it is in the order of pages. A store can have 2^31 rooms with 2^32 messages each.
//
// What this program computes and keeps, words and how names look, is computed anew for
// what there is already by a migration (fill.go).
//
// # One server
//
// A SQLite file is for one process (lock.go). Several can open one PostgreSQL, and each
// finds all that has been stored; but what is said at one is not announced at the others,
// whose pages find it when they look again: so a chat has one server there, too, but while
// one takes over from another.
//
// # Order of locks
//
// SQLite has one writer at a time, which waits before it reads anything (BEGIN
// IMMEDIATE); maxReaders see the last commit, and wait for nobody.
//
// In PostgreSQL, Apply locks the rooms that its changes are for, by ID, before anything
// else: two that want the same rooms, in two processes, go one after the other, where
// each could wait for the other if they took them in the order of their changes. A room's
// lock is what gives out its numbers and revisions. Memberships are locked after their
// room, so that who has left says nothing afterwards. All other methods change rows of one
// room or one user, and wait for nobody while anybody could wait for them.
package sqlstore
