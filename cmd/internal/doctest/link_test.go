package doctest

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestLinks checks that what Markdown pages link to exists: files of the project, and headings and anchors in its pages.
// Links to other sites are not followed.
func TestLinks(t *testing.T) {
	found := 0
	for _, file := range pages(t) {
		for _, target := range links(read(t, file)) {
			u, err := url.Parse(target)
			if err == nil && u.IsAbs() {
				continue
			}
			found++
			if err == nil {
				err = resolve(t, file, u)
			}
			if err != nil {
				t.Errorf("%s links to %s: %v", file, target, err)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d links are found, want at least 20", found)
	}
}

// TestPagesAreLinked checks that the list of documents in README names each page of fanfare.
func TestPagesAreLinked(t *testing.T) {
	named := links(read(t, "README.md"))
	for _, file := range pages(t) {
		if filepath.Dir(file) == "cmd/fanfare/docs" && !slices.Contains(named, file) {
			t.Errorf("README.md does not link to %s; add a line to its list of documents", file)
		}
	}
}

// pages returns the Markdown files of the project.
func pages(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			file, err := filepath.Rel(root, path)
			all = append(all, file)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	fenced = regexp.MustCompile("(?ms)^```.*?^```$")
	inCode = regexp.MustCompile("`[^`\n]*`")
	linked = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// links returns the targets of the links and images in a page.
func links(page string) (all []string) {
	page = inCode.ReplaceAllString(fenced.ReplaceAllString(page, ""), "")
	for _, m := range linked.FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// resolve returns an error unless the target of a link in a file exists.
func resolve(t *testing.T, file string, u *url.URL) error {
	target := file
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(file), u.Path)
	}
	if _, err := os.Stat(filepath.Join(root, target)); err != nil {
		return fmt.Errorf("%s does not exist", target)
	}
	if u.Fragment != "" && !slices.Contains(anchors(read(t, target)), u.Fragment) {
		return fmt.Errorf("%s has no heading or anchor #%s", target, u.Fragment)
	}
	return nil
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchor  = regexp.MustCompile(`<a id="([^"]+)">`)
)

// anchors returns what links to a page may have behind the #: the headings, as GitHub names them, and explicit anchors.
func anchors(page string) (all []string) {
	page = fenced.ReplaceAllString(page, "")
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, m[1]))
	}
	for _, m := range anchor.FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestAnchors checks the names of headings against those that GitHub gives them.
func TestAnchors(t *testing.T) {
	page := "# Limits\n\n## What `check` looks at\n\n```\n# not a heading\n```\n\n### Tables `[[access.key]]`, again: 2\n<a id=\"max-message\"></a>\n"
	want := []string{"limits", "what-check-looks-at", "tables-accesskey-again-2", "max-message"}
	if got := anchors(page); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
