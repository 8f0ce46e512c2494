package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/storetest"
)

// Rows of the first version get search words and skeletons, and stay unchanged otherwise.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		dialect *dialect
		driver  string
		where   string
	}{
		{&sqliteDialect, "sqlite", filepath.Join(t.TempDir(), "db")},
		{&postgresDialect, "pgx", storetest.Postgres(t).Database(t)},
	} {
		t.Run(c.driver, func(t *testing.T) { fillsIn(t, c.dialect, c.driver, c.where) })
	}
}

func fillsIn(t *testing.T, d *dialect, driver, where string) {
	first(t, d, driver, where)
	ctx := context.Background()
	s, err := Open(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for query, want := range map[string][]int64{"cafe": {1}, "海东": {2}, "东": {2}, "m": nil, "old": nil} {
		found, _, err := s.Search(ctx, 1, query, 0, 10)
		var numbers []int64
		for _, m := range found {
			numbers = append(numbers, m.Number)
		}
		if err != nil || !slices.Equal(numbers, want) {
			t.Errorf("%s finds %v, %v; want %v", query, numbers, err, want)
		}
	}
	for _, key := range []string{"paco", "расо"} {
		if u, err := s.UserByKey(ctx, key); err != nil || u.Key != key {
			t.Errorf("%s: %+v %v", key, u, err)
		}
	}
	for _, name := range []string{"Paсo", "Tım"} {
		if _, err := s.AddUser(ctx, store.User{Name: name, Key: name}); err == nil {
			t.Errorf("%s can be added", name)
		}
		if _, err := s.AddRoom(ctx, store.Room{Kind: store.Open, Name: name, Key: name, Owner: 1}); err == nil {
			t.Errorf("room %s can be added", name)
		}
	}
}

// first creates a database of the first version.
func first(t *testing.T, d *dialect, driver, where string) {
	t.Helper()
	db, err := sql.Open(driver, where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrations, d.migrations)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(d.name, db, files, goose.WithDisableGlobalRegistry(true))
	if err == nil {
		_, err = provider.UpTo(context.Background(), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	do := func(text string, args ...any) {
		t.Helper()
		if _, err := db.Exec(text, args...); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for i, name := range []string{"Paco", "Расо", "Tim"} { // two of which look the same
		key := []string{"paco", "расо", "tim"}[i]
		do(`INSERT INTO users (name, key, password, moderator, created) VALUES ($1, $2, '', $3, 0)`, name, key, false)
		do(`INSERT INTO rooms (kind, name, key, owner, created) VALUES (1, $1, $2, 1, 0)`, name, key)
	}
	for i, text := range []string{"Café", "上海东", ""} {
		do(`INSERT INTO messages (room, number, rev, author, client, text, sent) VALUES (1, $1, $1, 1, $2, $3, 0)`, i+1, fmt.Sprint("c", i), text)
		do(d.text(indexWords), entry(1, int64(i+1)), "1xold 1xm")
	}
}
