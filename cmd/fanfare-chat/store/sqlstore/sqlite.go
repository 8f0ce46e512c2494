package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

var sqliteDialect = dialect{
	name:       goose.DialectSQLite3,
	migrations: "migrations/sqlite",
	own: map[query]string{
		// Whoever writes is alone.
		lockUsers: `SELECT 1`,
		lockRoom:  `SELECT last, rev FROM rooms WHERE id = $1`,
		lockActor: `SELECT u.name, u.moderator, m.read FROM members m JOIN users u ON u.id = m.member
			WHERE m.room = $1 AND m.member = $2`,
		addWords:      `INSERT OR REPLACE INTO search (rowid, words) VALUES ($1, $2)`,
		messagesFound: selectFound + `search MATCH $4` + latestFound,
	},
	match: func(words []string) string {
		return `"` + strings.Join(words, `"* "`) + `"*`
	},
	is: func(err error, what refusal) bool {
		var e *sqlite.Error
		if !errors.As(err, &e) {
			return false
		}
		switch e.Code() {
		case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY:
			return what == duplicate
		case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
			return what == dangling
		}
		return false
	},
}

// readers is how many reads of a SQLite file go on at a time.
const readers = 4

// OpenSQLite opens the store in a file, and makes file and directory if they are not
// there. Nobody else gets to read them: hashes of passwords are kept.
func OpenSQLite(ctx context.Context, file string) (*Store, error) {
	if err := prepareFile(file); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	// What is acknowledged is to survive a loss of power: synchronous is FULL, which in
	// WAL mode syncs each commit.
	options := url.Values{"_txlock": {"immediate"}, "_error_rc": {"1"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-16000)", "journal_size_limit(67108864)",
	}}
	open := func(connections int) (*sql.DB, error) {
		dsn := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
		db, err := sql.Open("sqlite", dsn.String())
		if err == nil {
			db.SetMaxOpenConns(connections)
			db.SetMaxIdleConns(connections)
		}
		return db, err
	}
	write, err := open(1)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %s: %w", file, err)
	}
	options.Add("_pragma", "query_only(1)")
	read, err := open(readers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: %s: %w", file, err), write.Close())
	}
	s, err := newStore(ctx, &sqliteDialect, write, read)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %s: %w", file, err)
	}
	return s, nil
}

// prepareFile says in words what SQLite would say with a number.
func prepareFile(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("sqlstore: the directory for the database cannot be made: %w", err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("sqlstore: the database has to be a file that can be written: %w", err)
	}
	return f.Close()
}
