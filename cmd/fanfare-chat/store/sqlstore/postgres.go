package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

var postgresDialect = dialect{
	name:       goose.DialectPostgres,
	migrations: "migrations/postgres",
	own: map[query]string{
		// With this lock only one of two concurrent first users becomes a moderator. Readers do not
		// wait for it.
		lockUsers: `LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE`,
		lockRoom:  `SELECT last, rev FROM rooms WHERE id = $1 FOR NO KEY UPDATE`,
		lockActor: `SELECT u.name, u.moderator, m.read FROM members m JOIN users u ON u.id = m.member
			WHERE m.room = $1 AND m.member = $2 FOR NO KEY UPDATE OF m`,
		indexWords: `INSERT INTO search (rowid, words) VALUES ($1, array_to_tsvector(string_to_array($2, ' ')))
			ON CONFLICT (rowid) DO UPDATE SET words = excluded.words`,
		messagesFound: selectFound + `search.words @@ $4::tsquery` + latestFound,
	},
	match: func(words []string) string {
		return `'` + strings.Join(words, `':* & '`) + `':*`
	},
	violates: func(err error, c constraint) bool {
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			return false
		}
		switch e.Code {
		case "23505": // unique_violation
			return c == duplicate
		case "23503": // foreign_key_violation
			return c == missingReference
		}
		return false
	},
}

// maxConnections bounds the connections of a process to PostgreSQL, whose default limit is 100.
const maxConnections = 16

// OpenPostgres opens the store in the database that a postgres:// URL names.
func OpenPostgres(ctx context.Context, url string) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: invalid URL of a database, such as postgres://user:password@host:5432/database: %w", err)
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: cannot connect to PostgreSQL: %w", err), db.Close())
	}
	s, err := newStore(ctx, &postgresDialect, db, db)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: PostgreSQL: %w", err)
	}
	return s, nil
}
