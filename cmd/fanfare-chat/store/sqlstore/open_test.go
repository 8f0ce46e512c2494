package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/storetest"
)

// refused checks that opening a store fails, with an error that contains these words.
func refused(t *testing.T, where string, words ...string) {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), where)
	if err == nil {
		s.Close()
		t.Fatalf("%s is opened", where)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the error %q does not contain %q", where, err, w)
		}
	}
}

func TestOpenSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "a writable file", dir)
	refused(t, filepath.Join(file, "db"), "directory", file)
	refused(t, file, file, "not a database")
	refused(t, "postgres://postgres@/x?host="+dir, "cannot connect to PostgreSQL")
	refused(t, "postgres://host:port/x", "postgres://user:password@host")
}

// Only one server can open a file at a time, by whatever name. A server that has ended, or was killed, does
// not prevent the next one from opening it.
func TestOneServerHasTheFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "db"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".lock", []byte("12345\n"), 0o600); err != nil { // of one that was killed
		t.Fatal(err)
	}
	for range 2 {
		s, err := sqlstore.Open(context.Background(), file)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, file, file, "another server has the database open", fmt.Sprint("process ", os.Getpid()), "stop that server")
		refused(t, link, "another server has the database open")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerTablesAreLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	s, err := sqlstore.Open(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, TRUE)`); err != nil {
		t.Fatal(err)
	}
	refused(t, file, file, "version 99", "use a newer program")
}

func TestNobodyElseReadsTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := sqlstore.Open(context.Background(), filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.AddUser(context.Background(), store.User{Name: "x", Key: "x"}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// Several processes can open a new database at the same time: one of them creates the tables.
func TestOpenAtOnce(t *testing.T) {
	url := storetest.Postgres(t).Database(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := sqlstore.Open(context.Background(), url)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}
