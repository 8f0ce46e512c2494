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
		// There is only one writer.
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

// maxReaders bounds the concurrent reads of a SQLite file.
const maxReaders = 4

// OpenSQLite opens the store in a file, and creates the file and its directory if they do not exist, with
// permissions for their owner only, because the database has password hashes. Only one process can have
// the file open: a second one gets an error.
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

// openPool returns a pool of connections. Acknowledged changes must survive a power failure, so
// synchronous is FULL, which in WAL mode syncs each commit.
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

// makeFile creates the file and its directory if they do not exist. It does not open an existing file,
// because closing it before the lock is held would release SQLite's own locks in this process.
func makeFile(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("cannot create the directory of the database: %w", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return nil // checkWritable reports any other problem
	}
	return checkWritable(file, os.O_CREATE)
}

// checkWritable opens a file for writing, because the errors of SQLite are only numbers.
func checkWritable(file string, flags int) error {
	f, err := os.OpenFile(file, os.O_RDWR|flags, 0o600)
	if err != nil {
		return fmt.Errorf("the database must be a writable file: %w", err)
	}
	return f.Close()
}
