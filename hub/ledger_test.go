//go:build !race

package hub

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// heapGrowth is what objects a function has made that are still in use.
type heapGrowth struct {
	each  float64
	bytes int
	sizes map[int]int // number of objects by their size
}

// growth returns what make has allocated, as long as what it returns is referred to, for each of n.
func growth(n int, make func() any) heapGrowth {
	var before, after runtime.MemStats
	heap() // what earlier tests have left, and what a sync.Pool gives up at the second collection
	heap()
	runtime.ReadMemStats(&before)
	kept := make()
	heap()
	heap()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	g := heapGrowth{float64(n), int(after.HeapAlloc) - int(before.HeapAlloc), map[int]int{}}
	for i, c := range after.BySize {
		g.sizes[int(c.Size)] = int(c.Mallocs-c.Frees) - int(before.BySize[i].Mallocs-before.BySize[i].Frees)
	}
	return g
}

// ledger returns the rows of doc.go that follow a title: bytes by name.
func ledger(t *testing.T, title string) map[string]float64 {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(doc), "//\t"+title+"\n")
	if !ok {
		t.Fatalf("doc.go has no ledger %q", title)
	}
	text, _, _ = strings.Cut(text, "//\n")
	rows := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^//\t  (\w+(?: \w+)*) +(\d+)\b`).FindAllStringSubmatch(text, -1) {
		rows[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	return rows
}

// check compares g with a ledger, whose parts are objects of these sizes. The rest of the rows are lists and maps, which have
// free places, so that they count in the sum only, within 3 %.
func (g heapGrowth) check(t *testing.T, title string, parts map[string]int) {
	t.Helper()
	rows, sum := ledger(t, title), 0.0
	for name, bytes := range rows {
		if name != "in all" {
			sum += bytes
		}
		size, counted := parts[name]
		if is := float64(g.sizes[size]*size) / g.each; counted && (is < bytes*0.97 || is > bytes*1.03) {
			t.Errorf("%s, %s: %.1f bytes, the ledger in doc.go has %.0f", title, name, is, bytes)
		}
	}
	is := float64(g.bytes) / g.each
	t.Logf("%s: %.1f bytes", title, is)
	if sum != rows["in all"] || is < sum*0.97 || is > sum*1.03 {
		t.Errorf("%s: %.1f bytes, the ledger in doc.go says %.0f in all, and its rows are %.0f", title, is, rows["in all"], sum)
	}
	for name := range parts {
		if rows[name] == 0 {
			t.Errorf("%s: the ledger in doc.go has no row for %s", title, name)
		}
	}
}

// alone has the test run in a process of its own, where no other test has left anything that is freed meanwhile. It reports
// whether this is that process.
func alone(t *testing.T) bool {
	t.Helper()
	const is = "FANFARE_TEST_ALONE"
	if os.Getenv(is) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), is+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestLedgerSubscription: subscriptions to topics that have others are what the ledger says.
func TestLedgerSubscription(t *testing.T) {
	if !alone(t) {
		return
	}
	const topics, members = 2000, 64
	names := topicNames(topics)
	var m manual
	h := New(Options{Workers: m.on(1)})
	before := manyTopics(t, h, members, names)
	g := growth(topics*members, func() any { return manyTopics(t, h, members, names) })
	g.check(t, "a subscription", map[string]int{"Subscription": 48})
	runtime.KeepAlive(before)
	runtime.KeepAlive(names)
}

// TestLedgerTopic: topics with a subscription each are what the ledger says.
func TestLedgerTopic(t *testing.T) {
	if !alone(t) {
		return
	}
	const topics = 10_000
	names := topicNames(topics)
	g := growth(topics, func() any {
		var m manual
		return manyTopics(t, New(Options{Workers: m.on(1)}), 1, names)
	})
	g.check(t, "a topic with its only subscription", map[string]int{"Topic": 288, "shard": 112, "task": 32, "Subscription": 48})
	runtime.KeepAlive(names)
}

// TestLedgerMember: members of a topic that have nothing else are what the ledger says.
func TestLedgerMember(t *testing.T) {
	if !alone(t) {
		return
	}
	const members = 20_000
	var m manual
	h := New(Options{Workers: m.on(1)})
	to, all := new(null), make([]*Member, members)
	g := growth(members, func() any {
		for i := range all {
			all[i] = newMember(t, h, to, "")
			subscribe(t, all[i], "x", SubscribeOptions{Encoding: raw})
		}
		return all
	})
	g.check(t, "a member of one topic", map[string]int{"Member": 144, "Subscription": 48})
}
