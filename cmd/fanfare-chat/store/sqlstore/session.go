package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// session runs the statements of one call of a method of Store, in a transaction or each by itself.
type session struct {
	ctx  context.Context
	pool *pool
	tx   *transaction // nil outside a transaction
}

// transaction caches the statements of the pool, bound to its connection.
type transaction struct {
	*sql.Tx
	statements [queryCount]*sql.Stmt
}

// reader returns a session for queries that change nothing.
func (s *Store) reader(ctx context.Context) session { return session{ctx: ctx, pool: s.read} }

// inTransaction calls change with a session in a transaction, which is rolled back if change fails.
func (s *Store) inTransaction(ctx context.Context, change func(session) error) error {
	tx, err := s.write.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer tx.Rollback() // without effect after a commit
	if err := change(session{ctx, s.write, &transaction{Tx: tx}}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	return nil
}

func (s session) statement(q query) *sql.Stmt {
	if s.tx == nil {
		return s.pool.statements[q]
	}
	if s.tx.statements[q] == nil {
		s.tx.statements[q] = s.tx.StmtContext(s.ctx, s.pool.statements[q])
	}
	return s.tx.statements[q]
}

// exec executes a statement and returns the number of changed rows.
func (s session) exec(q query, args ...any) (int64, error) {
	result, err := s.statement(q).ExecContext(s.ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %w", err)
	}
	return result.RowsAffected()
}

// row is a *sql.Row or *sql.Rows.
type row interface{ Scan(into ...any) error }

// queryRow returns the only row of a result, or store.ErrNotFound.
func queryRow[T any](s session, scan func(row) (T, error), q query, args ...any) (T, error) {
	v, err := scan(s.statement(q).QueryRowContext(s.ctx, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, store.ErrNotFound
	}
	if err != nil {
		return v, fmt.Errorf("sqlstore: %w", err)
	}
	return v, nil
}

// queryAll returns all rows of a result, in their order.
func queryAll[T any](s session, scan func(row) (T, error), q query, args ...any) ([]T, error) {
	rows, err := s.statement(q).QueryContext(s.ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: %w", err)
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return found, nil
}

// queryPage returns at most limit rows of a result, and reports whether there are more. The limit must be
// the last argument of the statement.
func queryPage[T any](s session, scan func(row) (T, error), limit int, q query, args ...any) ([]T, bool, error) {
	found, err := queryAll(s, scan, q, append(args, limit+1)...)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}
