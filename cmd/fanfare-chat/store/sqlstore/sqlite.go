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
		indexWords:    `INSERT OR REPLACE INTO search (rowid, words) VALUES ($1, $2)`,
		messagesFound: selectFound + `search MATCH $4` + latestFound,
	},
	match: func(words []string) string {
		return `"` + strings.Join(words, `"* "`) + `"*`
	},
	violates: func(err error, c constraint) bool {
		var e *sqlite.Error
		if !errors.As(err, &e) {
			return false
		}
		switch e.Code() {
		case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY:
			return c == duplicate
		case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
			return c == missingReference
		}
		return false
	},
}

// maxReaders is how many reads of a SQLite file go on at a time.
const maxReaders = 4

// OpenSQLite opens the store in a file, and makes file and directory if they are not
// there. Nobody else gets to read them: hashes of passwords are kept. Only one process has
// the file at a time: a second one gets an error.
func OpenSQLite(ctx context.Context, file string) (*Store, error) {
	s, err := openLocked(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %s: %w", file, err)
	}
	return s, nil
}

func openLocked(ctx context.Context, file string) (*Store, error) {
	if err := makeFile(file); err != nil {
		return nil, err
	}
	path, err := realPath(file)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	if err := checkWritable(path, 0); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	write, err := openPool(path, 1)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	read, err := openPool(path, maxReaders, "query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close(), lock.Close())
	}
	s, err := newStore(ctx, &sqliteDialect, write, read)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// openPool returns a pool of maxConnections. What is acknowledged must survive a loss of
// power: synchronous is FULL, which in WAL mode syncs each commit.
func openPool(path string, maxConnections int, pragmas ...string) (*sql.DB, error) {
	options := url.Values{"_txlock": {"immediate"}, "_error_rc": {"1"}, "_pragma": append([]string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-16000)", "journal_size_limit(67108864)",
	}, pragmas...)}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err == nil {
		db.SetMaxOpenConns(maxConnections)
		db.SetMaxIdleConns(maxConnections)
	}
	return db, err
}

// makeFile makes the file, and its directory, if they are not there. One that is there is left
// alone until its lock is held: to close it would end SQLite's own locks in this process.
func makeFile(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("the directory for the database cannot be made: %w", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return nil // what is wrong otherwise is said by checkWritable
	}
	return checkWritable(file, os.O_CREATE)
}

// checkWritable says in words what SQLite would say with a number.
func checkWritable(file string, flags int) error {
	f, err := os.OpenFile(file, os.O_RDWR|flags, 0o600)
	if err != nil {
		return fmt.Errorf("the database must be a file that can be written: %w", err)
	}
	return f.Close()
}
