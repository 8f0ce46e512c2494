package rights

import (
	"slices"
	"strings"
)

// A trie holds patterns by their tokens, with the actions that each of them allows. It takes one walk to find out whether
// any of them covers a topic, and the walk visits a node at most once. Node 0 is the root.
type trie []node

type node struct {
	token     string // of a literal
	kids      uint32 // the first of the literals that follow; they are sorted
	literals  uint32 // how many of them there are
	star, own uint32 // the nodes of * and {user}; 0 for none
	ends      mask   // the actions of the pattern that ends here
	tail      mask   // the actions of the pattern that ends with > after this node
}

// A path is a pattern divided into its tokens.
type path struct {
	tokens  []string
	actions mask
}

func newTrie(paths []path) trie {
	slices.SortFunc(paths, func(a, b path) int { return slices.Compare(a.tokens, b.tokens) })
	t := make(trie, 1, 1+len(paths))
	t.build(0, paths, 0)
	return t
}

// build adds what follows node at, which has that depth: the rest of the paths, which are sorted.
func (t *trie) build(at uint32, paths []path, depth int) {
	paths = t.take(at, paths, depth)
	groups := group(paths, depth)
	literals := groups[:0:0]
	for _, g := range groups {
		switch g[0].tokens[depth] {
		case "*":
			(*t)[at].star = t.add("")
			t.build((*t)[at].star, g, depth+1)
		case ownToken:
			(*t)[at].own = t.add("")
			t.build((*t)[at].own, g, depth+1)
		default:
			literals = append(literals, g)
		}
	}
	first := uint32(len(*t))
	for _, g := range literals {
		t.add(g[0].tokens[depth])
	}
	(*t)[at].kids, (*t)[at].literals = first, uint32(len(literals))
	for i, g := range literals {
		t.build(first+uint32(i), g, depth+1)
	}
}

// take notes the paths that end at the node, or with > after it, and returns the others.
func (t *trie) take(at uint32, paths []path, depth int) (rest []path) {
	n := &(*t)[at]
	for _, p := range paths {
		switch {
		case len(p.tokens) == depth:
			n.ends |= p.actions
		case p.tokens[depth] == ">":
			n.tail |= p.actions
		default:
			rest = append(rest, p)
		}
	}
	return rest
}

// group divides sorted paths by their token at that depth.
func group(paths []path, depth int) (groups [][]path) {
	for len(paths) > 0 {
		n := 1
		for n < len(paths) && paths[n].tokens[depth] == paths[0].tokens[depth] {
			n++
		}
		groups, paths = append(groups, paths[:n]), paths[n:]
	}
	return groups
}

func (t *trie) add(token string) uint32 {
	*t = append(*t, node{token: token})
	return uint32(len(*t) - 1)
}

// covers reports whether a pattern below node at covers topic, which has at least one token.
func (t trie) covers(at uint32, topic string, bit mask, user string) bool {
	n := &t[at]
	if n.tail&bit != 0 {
		return true
	}
	token, rest, more := strings.Cut(topic, ".")
	if token == ">" {
		return false // only > covers it
	}
	if n.star != 0 && t.goesOn(n.star, rest, more, bit, user) {
		return true
	}
	if token == "*" {
		return false // only * and > cover it
	}
	if n.own != 0 && isEscaped(token, user) && t.goesOn(n.own, rest, more, bit, user) {
		return true
	}
	kid := t.literal(n, token)
	return kid != 0 && t.goesOn(kid, rest, more, bit, user)
}

func (t trie) goesOn(at uint32, rest string, more bool, bit mask, user string) bool {
	if !more {
		return t[at].ends&bit != 0
	}
	return t.covers(at, rest, bit, user)
}

// literal returns the node of that token after n, or 0.
func (t trie) literal(n *node, token string) uint32 {
	low, high := n.kids, n.kids+n.literals
	for low < high {
		mid := (low + high) / 2
		switch c := strings.Compare(t[mid].token, token); {
		case c == 0:
			return mid
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0
}
