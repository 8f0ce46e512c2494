// Package sqlstore implements store.Store for SQLite, which needs one file and no server, and for
// PostgreSQL, which a new server on another machine can continue to use.
//
// # Shared code
//
// Both databases share one implementation on database/sql. The statements that are the same in both are
// in query.go, and those that differ are in sqlite.go and postgres.go. All statements are prepared. Both
// databases compare text byte by byte, and store times as integers.
//
// # Search
//
// Both databases must find the same messages. Therefore this package splits, folds and normalises the
// words (words.go), instead of using the tokenizers of the databases. SQLite's trigram tokenizer, for
// example, misses words of two characters, which most Chinese words are. In scripts without spaces, each
// character and each pair of adjacent characters is a word. A word is indexed with its room as a prefix.
// Both indexes are ordered by word, so a query skips the messages of other rooms although it searches for
// prefixes. User input cannot become query syntax, because the words of a query consist only of
// letters, digits and non-ASCII symbols.
//
// An index entry has the room and the number of the message in one integer, the room first, and so has
// the order of the pages. A store can have 2^31 rooms with 2^32 messages each.
//
// The program computes words and the skeletons of names. A migration computes them for existing rows
// (backfill.go).
//
// # One server
//
// Only one process can open a SQLite file (lock.go). Several processes can open one PostgreSQL database,
// and each finds all stored messages. But a message sent at one server is not announced at the others,
// whose pages find it only when they request messages again. Therefore a chat should have one server
// there too, except while one replaces another.
//
// # Order of locks
//
// SQLite has one writer at a time. A writer waits before it reads anything (BEGIN IMMEDIATE). Readers see
// the last commit and do not wait.
//
// In PostgreSQL, Apply first locks the rooms of its changes, in the order of their IDs. So two processes
// that change the same rooms run one after the other; in the order of the changes they could deadlock. The
// lock of a room protects its numbers and revisions. Memberships are locked after their room, so that a
// user who has left cannot send messages afterwards. All other methods change rows of a single room or
// user, and do not wait for another lock while they hold one.
package sqlstore
