package sqlstore

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// In SQLite no statement scans a table without an index, or sorts its result.
func TestEveryStatementHasAnIndex(t *testing.T) {
	s, err := OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for q := range queryCount {
		text := sqliteDialect.text(q)
		for _, step := range plan(t, s, text) {
			t.Logf("%2d: %s", q, step)
			if why := bad(step); why != "" {
				t.Errorf("%s: %s\n%s", why, step, text)
			}
		}
	}
	for text, want := range map[string]bool{
		`SELECT * FROM messages WHERE text = 'x'`:                            false,
		`SELECT * FROM rooms ORDER BY name`:                                  false,
		`SELECT rowid FROM search`:                                           false,
		`SELECT rowid FROM search WHERE search MATCH 'x' ORDER BY rank`:      true,
		`SELECT * FROM messages WHERE room = 1 ORDER BY number DESC LIMIT 5`: true,
	} {
		good := true
		for _, step := range plan(t, s, text) {
			good = good && bad(step) == ""
		}
		if good != want {
			t.Errorf("the test accepts this plan: %v, want %v\n%s", good, want, text)
		}
	}
}

func plan(t *testing.T, s *Store, text string) (steps []string) {
	t.Helper()
	rows, err := s.write.db.Query("EXPLAIN QUERY PLAN "+text, 1, 2, 3, 4, 5, 6, 7)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// A virtual table is always scanned, by its words (M) or by its rowid (=).
var throughWords = regexp.MustCompile(`VIRTUAL TABLE INDEX \d+:.*[M=]`)

func bad(step string) string {
	switch {
	case strings.HasPrefix(step, "SCAN") && step != "SCAN CONSTANT ROW" && !throughWords.MatchString(step):
		return "it goes through a table"
	case strings.Contains(step, "TEMP B-TREE"):
		return "it sorts"
	}
	return ""
}
