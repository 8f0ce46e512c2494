package hub

import (
	"maps"
	"slices"
	"strings"
)

// trie maps patterns to values, and finds the patterns that match a name. Its zero value is
// empty. It is not safe for concurrent use. Patterns and names have been checked, so they are at
// most maxName bytes long, which bounds their tokens, and the depth of the tree, to 128.
//
// Each node is a token, and leads to at least one pattern. A match visits only nodes whose
// tokens so far match the name. So its cost depends on the tokens of the name and on the
// patterns that match it, wholly or at their beginning, but not on how many others there are.
type trie[V any] struct {
	root node[V]
	size int // patterns
}

// node is a token of one or more patterns. Most nodes have at most one child, which is stored
// without a map.
type node[V any] struct {
	token string // part of the pattern that it was created for
	value V
	only  *node[V]   // the child, if there is exactly one
	more  *branch[V] // the children, if there are several
	set   bool       // a pattern ends here, and value belongs to it
}

// branch holds two or more children. They are in a list while they are few, since a map takes as
// much memory as four nodes.
type branch[V any] struct {
	few  []*node[V]
	many map[string]*node[V] // by token; nil while they are few
	most int                 // the most children that many has had: a map does not shrink by itself
}

// maxFew is the longest list of children.
const maxFew = 6

// insert adds a pattern, or replaces the value of an existing one.
func (t *trie[V]) insert(pattern string, v V) {
	pattern = strings.Clone(pattern) // it may be part of a long URI
	n := &t.root
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		c := n.child(token)
		if c == nil {
			c = &node[V]{token: token}
			n.add(c)
		}
		n = c
	}
	if !n.set {
		t.size++
	}
	n.value, n.set = v, true
}

// lookup returns the value of the pattern itself, not of patterns that match it.
func (t *trie[V]) lookup(pattern string) (v V, ok bool) {
	n := &t.root
	for rest, more := pattern, true; more && n != nil; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		n = n.child(token)
	}
	if n == nil {
		return v, false
	}
	return n.value, n.set
}

// remove removes a pattern and reports whether it was there.
func (t *trie[V]) remove(pattern string) bool {
	n := &t.root
	var stays *node[V] // the last ancestor that leads to other patterns too
	var edge string    // the token of its child that leads here
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if stays == nil || n.set || n.more != nil {
			stays, edge = n, token
		}
		if n = n.child(token); n == nil {
			return false
		}
	}
	if !n.set {
		return false
	}
	var zero V
	n.value, n.set = zero, false
	if n.only == nil && n.more == nil {
		stays.cut(edge)
	}
	t.size--
	return true
}

// match calls yield with the value of each pattern that matches name, in no particular order,
// until yield returns false. yield must not change the trie. match does not allocate.
func (t *trie[V]) match(name string, yield func(V) bool) { t.root.match(name, yield) }

// match continues with the remaining tokens of name. It returns false if yield has.
func (n *node[V]) match(name string, yield func(V) bool) bool {
	token, rest, more := strings.Cut(name, ".")
	if c := n.child(anyTail); c != nil && !yield(c.value) {
		return false
	}
	for _, c := range [...]*node[V]{n.child(anyToken), n.child(token)} {
		switch {
		case c == nil:
		case more && !c.match(rest, yield):
			return false
		case !more && c.set && !yield(c.value):
			return false
		}
	}
	return true
}

func (n *node[V]) child(token string) *node[V] {
	switch {
	case n.more != nil:
		return n.more.child(token)
	case n.only != nil && n.only.token == token:
		return n.only
	}
	return nil
}

// add adds a child whose token no other child has.
func (n *node[V]) add(c *node[V]) {
	switch {
	case n.more != nil:
		n.more.add(c)
	case n.only != nil:
		n.more = newBranch([]*node[V]{n.only, c})
		n.only = nil
	default:
		n.only = c
	}
}

// cut removes the child with that token.
func (n *node[V]) cut(token string) {
	if n.only != nil {
		n.only = nil
		return
	}
	n.more.cut(token)
	if few := n.more.few; len(few) == 1 {
		n.only, n.more = few[0], nil
	}
}

func newBranch[V any](children []*node[V]) *branch[V] {
	if len(children) <= maxFew {
		return &branch[V]{few: children}
	}
	b := &branch[V]{many: make(map[string]*node[V], len(children))}
	for _, c := range children {
		b.many[c.token] = c
	}
	b.most = len(children)
	return b
}

func (b *branch[V]) child(token string) *node[V] {
	if b.many != nil {
		return b.many[token]
	}
	for _, c := range b.few {
		if c.token == token {
			return c
		}
	}
	return nil
}

func (b *branch[V]) add(c *node[V]) {
	switch {
	case b.many != nil:
		b.many[c.token] = c
		b.most = max(b.most, len(b.many))
	case len(b.few) < maxFew:
		b.few = append(b.few, c)
	default:
		*b = *newBranch(append(b.few, c))
	}
}

// cut removes the child with that token. When far fewer children are left than there were, it
// replaces the map by a smaller one, or by a list.
func (b *branch[V]) cut(token string) {
	if b.many == nil {
		b.few = slices.DeleteFunc(b.few, func(c *node[V]) bool { return c.token == token })
		return
	}
	delete(b.many, token)
	if left := len(b.many); left <= maxFew/2 || left < b.most/4 {
		*b = *newBranch(slices.Collect(maps.Values(b.many)))
	}
}
