package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// session asks a database, for the time of one call of a Store's method: in a
// transaction, or each statement by itself.
type session struct {
	ctx  context.Context
	pool *pool
	tx   *transaction // nil outside
}

// transaction remembers its statements, which are the pool's, bound to its connection.
type transaction struct {
	*sql.Tx
	statements [queryCount]*sql.Stmt
}

// reader returns a session for what changes nothing.
func (s *Store) reader(ctx context.Context) session { return session{ctx: ctx, pool: s.read} }

// inTransaction has change do all that it does, or nothing if it returns an error.
func (s *Store) inTransaction(ctx context.Context, change func(session) error) error {
	tx, err := s.write.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer tx.Rollback() // of no effect after a commit
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

// exec returns how many rows it has changed.
func (s session) exec(q query, args ...any) (int64, error) {
	result, err := s.statement(q).ExecContext(s.ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %w", err)
	}
	return result.RowsAffected()
}

// row is what functions scan: a *sql.Row or *sql.Rows.
type row interface{ Scan(into ...any) error }

// queryRow returns the only row that there is, or store.ErrNotFound.
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

// queryAll returns the rows in their order.
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

// queryPage is queryAll, but no more than limit, and whether there is more. The limit has to be the
// statement's last argument.
func queryPage[T any](s session, scan func(row) (T, error), limit int, q query, args ...any) ([]T, bool, error) {
	found, err := queryAll(s, scan, q, append(args, limit+1)...)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}
