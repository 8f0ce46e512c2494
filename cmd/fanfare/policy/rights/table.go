package rights

import (
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"
)

// shared has the tables that are in use.
var shared = tables{m: make(map[string]weak.Pointer[table])}

type tables struct {
	mu sync.Mutex
	m  map[string]weak.Pointer[table] // by table.key
}

// get returns the table of the grants. Those of a table that exists have been checked.
func (ts *tables) get(g *Grants, anonymous bool) (*table, error) {
	key := appendKey(make([]byte, 0, 512), g, anonymous)
	ts.mu.Lock()
	t := ts.m[string(key)].Value()
	ts.mu.Unlock()
	if t != nil {
		return t, nil
	}
	if err := errors.Join(g.Check()...); err != nil {
		return nil, err
	}
	return ts.put(newTable(string(key), g, anonymous)), nil
}

// put returns the table with the key of t: t itself, unless another one has been made meanwhile.
func (ts *tables) put(t *table) *table {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if other := ts.m[t.key].Value(); other != nil {
		return other
	}
	ts.m[t.key] = weak.Make(t)
	runtime.AddCleanup(t, ts.forget, t.key)
	return t
}

// forget is called when a table has been freed. Another one may have taken its place.
func (ts *tables) forget(key string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if p, ok := ts.m[key]; ok && p.Value() == nil {
		delete(ts.m, key)
	}
}

// grant is a name or pattern, and the actions that it allows.
type grant struct {
	pattern string
	actions mask
}

// merge returns the grants of all actions, sorted, each pattern once.
func merge(g *Grants) []grant {
	all := make([]grant, 0, g.count())
	for a, list := range g.lists() {
		for _, pattern := range list {
			all = append(all, grant{pattern, Action(a).bit()})
		}
	}
	slices.SortFunc(all, func(a, b grant) int { return strings.Compare(a.pattern, b.pattern) })
	n := 0
	for _, e := range all {
		if n > 0 && all[n-1].pattern == e.pattern {
			all[n-1].actions |= e.actions
			continue
		}
		all[n] = e
		n++
	}
	return all[:n]
}

// appendKey appends bytes that are the same for equal grants and for no others.
func appendKey(b []byte, g *Grants, anonymous bool) []byte {
	l := &g.Limits
	for _, n := range []int{l.Messages, l.Bytes, l.Conns, b2i(anonymous)} {
		b = binary.AppendVarint(b, int64(n))
	}
	for _, e := range merge(g) {
		b = append(b, byte(e.actions))
		b = binary.AppendUvarint(b, uint64(len(e.pattern)))
		b = append(b, e.pattern...)
	}
	return b
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// entries returns the grants of a key. Their patterns are parts of it.
func entries(key string) (all []grant) {
	for range 4 {
		_, n := binary.Varint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		key = key[n:]
	}
	for key != "" {
		actions := mask(key[0])
		size, n := binary.Uvarint([]byte(key[1:min(len(key), 1+binary.MaxVarintLen64)]))
		all = append(all, grant{key[1+n : 1+n+int(size)], actions})
		key = key[1+n+int(size):]
	}
	return all
}

func newTable(key string, g *Grants, anonymous bool) *table {
	t := &table{key: key, anonymous: anonymous, limits: g.Limits}
	t.shared.table = t
	var paths []path
	for _, e := range entries(key) {
		t.any |= e.actions
		t.personal = t.personal || strings.Contains(e.pattern, ownToken)
		switch {
		case e.pattern == allUsers:
			t.all = e.actions
		case e.pattern == ownTopic:
			t.own = e.actions
		case strings.HasPrefix(e.pattern, userMark):
			t.users = append(t.users, e)
		default:
			paths = append(paths, path{strings.Split(e.pattern, "."), e.actions})
		}
	}
	t.topics = newTrie(paths)
	return t
}

// Grants returns the grants of which the rights were made, sorted.
func (r *Rights) Grants() (g Grants) {
	if r == nil {
		return g
	}
	g.Limits = r.table.limits
	lists := [actions]*[]string{Read: &g.Read, Write: &g.Write, List: &g.List, Manage: &g.Manage}
	for _, e := range entries(r.table.key) {
		for a, list := range lists {
			if e.actions&Action(a).bit() != 0 {
				*list = append(*list, strings.Clone(e.pattern))
			}
		}
	}
	return g
}
