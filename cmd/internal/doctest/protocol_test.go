package doctest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// section returns the part of a page below a heading.
func section(t *testing.T, file, title string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, file), "\n## "+title+"\n")
	if !found {
		t.Fatalf("%s has no section %q", file, title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// column returns what is in the first column of the tables in a text, sorted, without backquotes. A cell may have several
// words with commas between them.
func column(text string) (all []string) {
	for _, m := range regexp.MustCompile("(?m)^\\| ([`\\w][^|]*) \\|").FindAllStringSubmatch(text, -1) {
		for word := range strings.SplitSeq(m[1], ", ") {
			all = append(all, strings.Trim(word, "`"))
		}
	}
	slices.Sort(all)
	return all
}

// declared returns the first group of a regular expression for all its matches in a file, sorted.
func declared(t *testing.T, file, expression string) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(read(t, file), -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return all
}

// TestProtocolTables compares the tables of protocol.md with the constants of package wire: requests and error codes.
func TestProtocolTables(t *testing.T) {
	for _, table := range []struct{ title, file, declaration string }{
		{"Messages", "hub/wire/request.go", `(?m)^\t[A-Z]\w+ += "([a-z]+)"`},
		{"Errors", "hub/wire/reply.go", `(?m)^\t[A-Z]\w+ += "([a-z-]+)"`},
	} {
		want := declared(t, table.file, table.declaration)
		got := slices.DeleteFunc(column(section(t, protocolPage, table.title)), func(cell string) bool {
			return strings.HasPrefix(cell, "{") || slices.Contains([]string{"request", "event", "code"}, cell)
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s, %q, explains %q; %s has %q", protocolPage, table.title, got, table.file, want)
		}
	}
}

// TestProtocolMembers checks that protocol.md mentions each member of a message.
func TestProtocolMembers(t *testing.T) {
	page := read(t, protocolPage)
	for _, file := range []string{"hub/wire/request.go", "hub/wire/reply.go", "hub/wire/event.go", "hub/event.go"} {
		members := declared(t, file, `json:"(\w+)[",]`)
		for _, name := range members {
			if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, `"`+name+`":`) {
				t.Errorf("%s does not mention %q, which %s has", protocolPage, name, file)
			}
		}
		if len(members) == 0 {
			t.Errorf("%s has no members", file)
		}
	}
}

// TestCloseCodes checks that the table of close codes has all codes that the server uses, and no others.
func TestCloseCodes(t *testing.T) {
	want := append(declared(t, "hub/wire/reply.go", `(?m)^\tClose\w+ += (\d+)`), declared(t, "cmd/fanfare/topics.go", `wsproto\.Code = (\d+)`)...)
	code := strings.Join(sources(t, "hub/session/*.go", "hub/wshub/*.go", "cmd/fanfare/*.go", "wsproto/*.go"), "\n")
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Code = (\d+)`).FindAllStringSubmatch(read(t, "wsproto/frame_code.go"), -1) {
		// Other than by its declaration. A client uses 1010, a gateway 1014; 1005, 1006 and 1015 are never sent.
		used := regexp.MustCompile(`[^\w.]`+m[1]+`\b|wsproto\.`+m[1]+`\b`).FindAllString(code, 2)
		if len(used) > 1 && !slices.Contains([]string{"1005", "1006", "1010", "1014", "1015"}, m[2]) {
			want = append(want, m[2])
		}
	}
	slices.Sort(want)
	if got := slices.DeleteFunc(column(section(t, protocolPage, "Close codes")), func(cell string) bool { return cell == "code" }); !slices.Equal(got, want) {
		t.Errorf("the table has %q, and the server uses %q", got, want)
	}
}
