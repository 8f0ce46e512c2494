package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// Store implements store.Store on a SQL database.
type Store struct {
	dialect     *dialect
	write, read *pool     // the same pool in PostgreSQL
	lock        *fileLock // nil in PostgreSQL
}

var _ store.Store = (*Store)(nil)

// constraint is a kind of constraint that a row can violate.
type constraint int

const (
	duplicate        constraint = iota + 1 // a unique key exists already
	missingReference                       // a referenced row does not exist
)

// dialect has the differences of a database.
type dialect struct {
	name       goose.Dialect
	migrations string
	own        map[query]string                   // statements
	match      func(words []string) string        // the search expression for entries with words that start with each of these
	violates   func(err error, c constraint) bool // reports whether err is a violation of c
}

// text returns the text of a statement.
func (d *dialect) text(q query) string {
	if own, ok := d.own[q]; ok {
		return own
	}
	return shared[q]
}

// Open opens the store at a postgres:// URL, or in the SQLite file of that name. It creates or updates
// the tables.
func Open(ctx context.Context, where string) (*Store, error) {
	if strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://") {
		return OpenPostgres(ctx, where)
	}
	return OpenSQLite(ctx, where)
}

// newStore takes ownership of the databases, and closes them if it fails.
func newStore(ctx context.Context, d *dialect, write, read *sql.DB) (*Store, error) {
	s := &Store{dialect: d, write: &pool{db: write}, read: &pool{db: read}}
	if read == write {
		s.read = s.write
	}
	err := migrate(ctx, d, write)
	if err == nil {
		err = s.write.prepare(ctx, d)
	}
	if err == nil && read != write {
		err = s.read.prepare(ctx, d)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for running queries, and closes the database.
func (s *Store) Close() error {
	err := s.read.close()
	if s.read != s.write {
		err = errors.Join(err, s.write.close())
	}
	if s.lock != nil { // last: another process may open the file afterwards
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// pool is a database with its statements prepared.
type pool struct {
	db         *sql.DB
	statements [queryCount]*sql.Stmt
}

func (p *pool) prepare(ctx context.Context, d *dialect) error {
	for q := range queryCount {
		text := d.text(q)
		var err error
		if p.statements[q], err = p.db.PrepareContext(ctx, text); err != nil {
			return fmt.Errorf("preparing %s: %w", text, err)
		}
	}
	return nil
}

func (p *pool) close() error {
	var errs []error
	for _, s := range p.statements {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, p.db.Close())...)
}
