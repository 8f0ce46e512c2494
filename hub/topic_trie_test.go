package hub

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func TestSizeOfNode(t *testing.T) {
	if s := unsafe.Sizeof(node[*shard]{}); s > 48 {
		t.Errorf("a node has %d bytes, more than 48", s)
	}
}

// found are the values of the patterns that match, in order.
func (t *trie[V]) found(name string, compare func(a, b V) int) (all []V) {
	t.match(name, func(v V) bool {
		all = append(all, v)
		return true
	})
	slices.SortFunc(all, compare)
	return all
}

func TestTrie(t *testing.T) {
	var tr trie[string]
	for _, p := range []string{"a", "a.b", "a.*", "*.b", "a.>", ">", "*", "a.b.c"} {
		tr.insert(p, p)
	}
	tr.insert("a.b", "other")
	for name, want := range map[string]string{
		"a": "* > a", "a.b": "*.b > a.* a.> other", "a.b.c": "> a.> a.b.c", "b": "* >", "c.b": "*.b >", "x.y.z": ">",
	} {
		if got := strings.Join(tr.found(name, strings.Compare), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if v, ok := tr.lookup("a.b"); v != "other" || !ok || tr.size != 8 {
		t.Errorf("a.b is %q, %v, of %d", v, ok, tr.size)
	}
	for _, p := range []string{"*.*", "b", "a.b.c.d", "*.b.c"} {
		if v, ok := tr.lookup(p); ok || v != "" || tr.remove(p) {
			t.Errorf("%s was there", p)
		}
	}
	calls := 0
	tr.match("a.b", func(string) bool { calls++; return calls < 3 })
	if calls != 3 {
		t.Errorf("yield was called %d times, and said that 3 are enough", calls)
	}
}

// model is the naive trie, whose values are its keys.
type model struct {
	trie trie[string]
	all  map[string]bool
}

func (m *model) insert(pattern string) {
	m.trie.insert(pattern, pattern)
	m.all[pattern] = true
}

func (m *model) remove(t *testing.T, pattern string) {
	t.Helper()
	if got := m.trie.remove(pattern); got != m.all[pattern] {
		t.Fatalf("remove %s: %v, want %v", pattern, got, m.all[pattern])
	}
	delete(m.all, pattern)
}

// check compares what a name matches.
func (m *model) check(t *testing.T, name string) {
	t.Helper()
	var want []string
	for p := range m.all {
		if matches(p, name) {
			want = append(want, p)
		}
	}
	slices.Sort(want)
	if got := m.trie.found(name, strings.Compare); !slices.Equal(got, want) {
		t.Fatalf("%s matches %q, want %q, of %v", name, got, want, m.all)
	}
	if v, ok := m.trie.lookup(name); ok != m.all[name] || ok && v != name {
		t.Fatalf("lookup of %s: %q, %v", name, v, ok)
	}
}

// checkShape compares the nodes: there is one for each beginning of a pattern, and
// its children are kept as the number of them asks for.
func (m *model) checkShape(t *testing.T) {
	t.Helper()
	beginnings := map[string]bool{}
	for p := range m.all {
		for i, c := range p + "." {
			if c == '.' {
				beginnings[p[:i]] = true
			}
		}
	}
	if n := nodes(t, &m.trie.root); n-1 != len(beginnings) || m.trie.size != len(m.all) {
		t.Fatalf("%d nodes for %d beginnings, size %d for %v", n-1, len(beginnings), m.trie.size, m.all)
	}
}

// nodes counts n and what is below it.
func nodes[V any](t *testing.T, n *node[V]) int {
	t.Helper()
	count := 1
	if n.only != nil {
		count += nodes(t, n.only)
	}
	if b := n.more; b != nil {
		all := len(b.few) + len(b.many)
		if n.only != nil || all < 2 || len(b.few) > maxFew || b.many != nil && (b.few != nil || all <= maxFew/2 || all > b.most) {
			t.Fatalf("%q: alone %v, %d in a list, %d of %d in a map", n.token, n.only, len(b.few), len(b.many), b.most)
		}
		for _, c := range b.few {
			count += nodes(t, c)
		}
		for token, c := range b.many {
			if token != c.token {
				t.Fatalf("%q stands for %q", token, c.token)
			}
			count += nodes(t, c)
		}
	}
	return count
}

// randomTokens joins up to 5 of them.
func randomTokens(rnd *rand.Rand, alphabet string) string {
	var b strings.Builder
	for i := range 1 + rnd.IntN(5) {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteByte(alphabet[rnd.IntN(len(alphabet))])
	}
	return b.String()
}

// randomPattern has a > at its end only.
func randomPattern(rnd *rand.Rand, alphabet string) string {
	p := randomTokens(rnd, alphabet+"*")
	if rnd.IntN(3) == 0 {
		p = p[:len(p)-1] + ">"
	}
	return p
}

func TestTrieIsLikeTheModel(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 50 {
		m := model{all: map[string]bool{}}
		limit := 1 + rnd.IntN(100)                // patterns: a few, or many
		alphabet := "abcdefghij"[:1+rnd.IntN(10)] // most match, or few
		for range 300 {
			p := randomPattern(rnd, alphabet)
			if err := CheckPattern(p); err != nil {
				t.Fatal(err)
			}
			if len(m.all) < limit && rnd.IntN(3) > 0 {
				m.insert(p)
			} else {
				m.remove(t, p)
			}
			m.check(t, randomTokens(rnd, alphabet))
			m.checkShape(t)
		}
		for p := range m.all {
			m.remove(t, p)
			m.checkShape(t)
		}
		if m.trie.root.only != nil || m.trie.root.more != nil {
			t.Fatal("the empty trie has nodes")
		}
	}
}

// A map that was large does not stay large for a few children.
func TestTrieShrinks(t *testing.T) {
	m := model{all: map[string]bool{}}
	pattern := func(i int) string { return fmt.Sprintf("a.%d.>", i) }
	for i := range 1000 {
		m.insert(pattern(i))
	}
	for i := range 990 {
		m.remove(t, pattern(i))
	}
	if b := m.trie.root.only.more; b.most >= 100 {
		t.Errorf("room for %d children, of whom 10 are left", b.most)
	}
	m.check(t, "a.995.b")
	m.checkShape(t)
}

// The longest name is not deeper than its tokens.
func TestTrieOfTheLongest(t *testing.T) {
	name := strings.Repeat("a.", 127) + "a"
	if err := CheckName(name); err != nil {
		t.Fatal(err)
	}
	m := model{all: map[string]bool{}}
	m.insert(name)
	m.insert(strings.Repeat("*.", 127) + "*")
	m.insert(strings.Repeat("*.", 127) + ">")
	m.check(t, name)
	m.check(t, name[2:])
	m.checkShape(t)
}

// The trie keeps no part of the strings that it was given.
func TestTrieOwnsItsTokens(t *testing.T) {
	uri := []byte("a.b")
	var tr trie[int]
	tr.insert(unsafe.String(&uri[0], len(uri)), 1)
	copy(uri, "x.y")
	if _, ok := tr.lookup("a.b"); !ok {
		t.Error("a.b has changed")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var tr trie[int]
	for i, p := range []string{"a.b", "a.*", "*.b", ">", "b.b", "c.b"} {
		tr.insert(p, i)
	}
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		tr.match("a.b", func(v int) bool { sum += v; return true })
	}); n != 0 || sum == 0 {
		t.Errorf("%v allocations, sum %d", n, sum)
	}
}

// FuzzTrie reads operations, one on a line: + and - with a pattern, and names to
// match.
func FuzzTrie(f *testing.F) {
	f.Add("+a.b\n+a.*\n+>\na.b\n-a.*\na.b\n-a.b\n->\na.b")
	f.Add("+*.*\n+*.>\n+a.>\n+a\n+*\na\na.a\na.a.a\n-*\n-*.>\na.a")
	f.Add("+a.b.c\n+a\n-a.b.c\na.b.c\na\n+a.c\n+a.d\n-a.c\na.d")
	f.Add("+" + strings.Repeat("*.", 127) + "*\n" + strings.Repeat("a.", 127) + "a")
	f.Add("+\n-\n\n+a*\n+>.a\na..b")
	f.Fuzz(func(t *testing.T, ops string) {
		m := model{all: map[string]bool{}}
		for op := range strings.Lines(ops) {
			op = strings.TrimSuffix(op, "\n")
			if op == "" {
				continue
			}
			switch pattern := op[1:]; {
			case op[0] == '+' && CheckPattern(pattern) == nil && len(m.all) < 100:
				m.insert(pattern)
			case op[0] == '-' && CheckPattern(pattern) == nil:
				m.remove(t, pattern)
			case CheckName(op) == nil:
				m.check(t, op)
			}
		}
		m.checkShape(t)
	})
}

// The time of a match does not depend on how many patterns there are: each name has
// four that match it. Names are few, so that memory, which is slower the more of it
// there is, does not decide; then all of them, so that it does.
func BenchmarkTrieMatch(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		before := heap()
		tr, names := forest(n)
		weight := float64(heap()-before) / float64(tr.size)
		for _, names := range [][]string{names[:20], names} {
			b.Run(fmt.Sprintf("patterns=%d/names=%d", n, len(names)), func(b *testing.B) {
				b.ReportAllocs()
				found, i := 0, 0
				for b.Loop() {
					tr.match(names[i], func(int) bool { found++; return true })
					if i++; i == len(names) {
						i = 0
					}
				}
				if found != 4*b.N {
					b.Fatalf("%d found in %d matches, want 4 in each", found, b.N)
				}
				b.ReportMetric(weight, "B/pattern")
			})
		}
		runtime.KeepAlive(tr)
	}
}

// forest has n patterns: for each of half as many instruments two of its own, and a
// few that hold for all.
func forest(n int) (*trie[int], []string) {
	tr, names := new(trie[int]), make([]string, 0, n/2)
	for _, p := range []string{">", "prices.*.bid"} {
		tr.insert(p, 0)
	}
	for i := range n/2 - 1 {
		tr.insert(fmt.Sprintf("prices.instrument-%d.>", i), i)
		tr.insert(fmt.Sprintf("prices.instrument-%d.bid", i), i)
	}
	for i := range n/2 - 1 {
		names = append(names, fmt.Sprintf("prices.instrument-%d.bid", i))
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return tr, names
}

// heap returns the memory in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkTrieInsertRemove(b *testing.B) {
	tr, _ := forest(100_000)
	b.ReportAllocs()
	for b.Loop() {
		tr.insert("prices.instrument-x.>", 1)
		tr.remove("prices.instrument-x.>")
	}
}
