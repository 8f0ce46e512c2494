package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
)

type topicsPage struct {
	Topics []hub.TopicStats
	Next   string
	Error  string
}

// topics reads all pages and returns the names and the number of pages.
func (p *program) topics(query url.Values) (names []string, pages int) {
	p.t.Helper()
	for {
		r, body := p.request("GET", "/topics?"+query.Encode(), "", nil)
		var page topicsPage
		if err := json.Unmarshal([]byte(body), &page); err != nil || r.StatusCode != http.StatusOK || page.Topics == nil {
			p.t.Fatalf("%d %s %v", r.StatusCode, body, err)
		}
		for _, t := range page.Topics {
			names = append(names, t.Name)
		}
		if pages++; page.Next == "" {
			return names, pages
		}
		query.Set("after", page.Next)
	}
}

// GET /topics has pages, and lists topics of users only with the token.
func TestTopicsInPages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret-token-of-the-test"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-token-file", file, "-user-header", "X-User")
	if names, pages := p.topics(url.Values{}); len(names) != 0 || pages != 1 {
		t.Errorf("%d names in %d pages of nothing", len(names), pages)
	}
	c := p.join("/hub", http.Header{"X-User": {"ada"}})
	var want []string
	for i := range 250 {
		want = append(want, fmt.Sprintf("t.%d", i))
		c.gets(fmt.Sprintf(`"do":"subscribe","topic":"t.%d"`, i))
	}
	slices.Sort(want)
	if names, pages := p.topics(url.Values{}); !slices.Equal(names, want) || pages != 3 {
		t.Errorf("%d names in %d pages", len(names), pages)
	}
	if names, pages := p.topics(url.Values{"limit": {"40"}, "prefix": {"t.1"}}); len(names) != 111 || pages != 3 {
		t.Errorf("%d names in %d pages with the prefix", len(names), pages)
	}
	if names, _ := p.topics(url.Values{"token": {"secret-token-of-the-test"}}); !slices.Equal(names, append([]string{"@ada"}, want...)) {
		t.Errorf("with the token: %q", names)
	}
	for _, limit := range []string{"0", "-1", "x", "1001"} {
		if r, body := p.request("GET", "/topics?limit="+limit, "", nil); r.StatusCode != http.StatusBadRequest || !strings.Contains(body, "limit="+limit) {
			t.Errorf("limit=%s: %d %s", limit, r.StatusCode, body)
		}
	}
}

// A dozen clients that create topics as fast as they can leave room for other clients of the same address.
func TestTopicsAreShared(t *testing.T) {
	p := start(t, "-max-topics", "2000", "-topic", "> history=1")
	greedy := make([]*client, 12)
	for i := range greedy {
		greedy[i] = p.join("/hub", nil)
	}
	for n, refused := 0, 0; refused < len(greedy); n++ {
		refused = 0
		for i, c := range greedy {
			if r := c.ask(fmt.Sprintf(`"do":"publish","topic":"t%d.%d","data":1`, i, n)); r.Error != nil {
				refused++
			}
		}
	}
	other := p.join("/hub", nil)
	other.gets(`"do":"subscribe","topic":"other.1"`)
	other.gets(`"do":"publish","topic":"other.2","data":1`)
	if r, body := p.request("POST", "/topics/other.3", "text/plain", strings.NewReader("hello")); r.StatusCode != http.StatusOK {
		t.Errorf("POST: %d %s", r.StatusCode, body)
	}
	p.dial("/topics/other.4")
	if !settles(func() bool {
		_, body := p.request("GET", "/topics/other.4", "", nil)
		return strings.Contains(body, `"subscribers":1`)
	}) {
		t.Error("a WebSocket cannot begin a topic")
	}
}
