package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

// backfill is the migration that computes the skeletons of names and the search index for existing rows.
// It processes all rows in one transaction.
func (d *dialect) backfill(ctx context.Context, tx *sql.Tx) error {
	if err := backfillLooks(ctx, tx, "users", "TRUE"); err != nil {
		return err
	}
	if err := backfillLooks(ctx, tx, "rooms", fmt.Sprintf("kind = %d", store.Open)); err != nil {
		return err
	}
	return d.backfillWords(ctx, tx)
}

// backfillPage is the number of rows held in memory at a time.
const backfillPage = 1000

// backfillLooks sets the skeletons of the names in a table. Of several names that look the same only the
// oldest gets its skeleton. The others keep their names, and no further one can be added.
func backfillLooks(ctx context.Context, tx *sql.Tx, table, which string) error {
	type named struct {
		id        int64
		name, key string
	}
	seen := make(map[string]bool)
	once := func(kind, s string) any {
		if s = text.Skeleton(s); seen[kind+s] {
			return nil
		}
		seen[kind+s] = true
		return s
	}
	for last := int64(0); ; {
		rows, err := tx.QueryContext(ctx, `SELECT id, name, key FROM `+table+` WHERE id > $1 AND `+which+` ORDER BY id LIMIT $2`, last, backfillPage)
		if err != nil {
			return err
		}
		page, err := collect(rows, func(n *named) []any { return []any{&n.id, &n.name, &n.key} })
		if err != nil || len(page) == 0 {
			return err
		}
		for _, n := range page {
			last = n.id
			look, plain := once("look ", n.name), once("plain ", n.key)
			if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET look = $2, plain = $3 WHERE id = $1`, n.id, look, plain); err != nil {
				return err
			}
		}
	}
}

// backfillWords indexes all messages.
func (d *dialect) backfillWords(ctx context.Context, tx *sql.Tx) error {
	add, err := tx.PrepareContext(ctx, d.text(indexWords))
	if err != nil {
		return err
	}
	defer add.Close()
	remove, err := tx.PrepareContext(ctx, d.text(unindexWords))
	if err != nil {
		return err
	}
	defer remove.Close()
	type said struct {
		room, number int64
		text         string
	}
	for last := (said{}); ; {
		rows, err := tx.QueryContext(ctx, `SELECT room, number, text FROM messages
			WHERE (room, number) > ($1, $2) ORDER BY room, number LIMIT $3`, last.room, last.number, backfillPage)
		if err != nil {
			return err
		}
		page, err := collect(rows, func(m *said) []any { return []any{&m.room, &m.number, &m.text} })
		if err != nil || len(page) == 0 {
			return err
		}
		for _, m := range page {
			words := indexedWords(m.room, m.text)
			if len(words) == 0 {
				_, err = remove.ExecContext(ctx, entry(m.room, m.number))
			} else {
				_, err = add.ExecContext(ctx, entry(m.room, m.number), strings.Join(words, " "))
			}
			if err != nil {
				return err
			}
		}
		last = page[len(page)-1]
	}
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, columns func(*T) []any) (found []T, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one T
		if err := rows.Scan(columns(&one)...); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}
