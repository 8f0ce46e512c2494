package rights

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
)

// names has every name of up to that many tokens of an alphabet.
func names(alphabet []string, depth int) (all []string) {
	level := []string{""}
	for range depth {
		var next []string
		for _, prefix := range level {
			for _, token := range alphabet {
				next = append(next, strings.TrimPrefix(prefix+"."+token, "."))
			}
		}
		all, level = append(all, next...), next
	}
	return all
}

// covers is the definition: every name that q matches is matched by p. No name in all has tokens that neither pattern has,
// except z, which stands for these.
func covers(p, q string, all []string) bool {
	for _, name := range all {
		if hub.Matches(q, name) && !hub.Matches(p, name) {
			return false
		}
	}
	return true
}

func randomPattern(rnd *rand.Rand) string {
	n := 1 + rnd.IntN(4)
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = []string{"a", "b", "*"}[rnd.IntN(3)]
	}
	if rnd.IntN(3) == 0 {
		tokens[n-1] = ">"
	}
	return strings.Join(tokens, ".")
}

func may(t *testing.T, list ...string) *Rights {
	t.Helper()
	r, err := Compile(Grants{Read: list})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A right covers a pattern if, and only if, it matches all that the pattern matches.
func TestCoversByDefinition(t *testing.T) {
	all := names([]string{"a", "b", "z"}, 6)
	rnd := rand.New(rand.NewPCG(1, 2))
	covered := 0
	for range 3000 {
		p, q := randomPattern(rnd), randomPattern(rnd)
		want := covers(p, q, all)
		if got := may(t, p).May(Read, q); got != want {
			t.Errorf("%s covers %s: %v, want %v", p, q, got, want)
		}
		if want {
			covered++
		}
	}
	if covered < 100 {
		t.Errorf("only %d of the pairs cover each other", covered)
	}
}

// Many rights allow what one of them allows.
func TestManyRightsAreTheirUnion(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		lists := [actions][]string{}
		for range 1 + rnd.IntN(12) {
			a := rnd.IntN(actions)
			lists[a] = append(lists[a], randomPattern(rnd))
		}
		r, err := Compile(Grants{Read: lists[Read], Write: lists[Write], List: lists[List], Manage: lists[Manage]})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			q := randomPattern(rnd)
			for a := range Action(actions) {
				want := slices.ContainsFunc(lists[a], func(p string) bool { return may(t, p).May(Read, q) })
				if got := r.May(a, q); got != want {
					t.Fatalf("%v: %v %s is %v, want %v", lists, a, q, got, want)
				}
			}
		}
	}
}

// Whatever a right covers, its pattern matches all that the other one matches.
func FuzzCovers(f *testing.F) {
	for _, s := range [][3]string{
		{"prices.>", "prices.*.eu", "prices.x.eu"}, {">", "a", "a"}, {"a.*", "a.>", "a.b.c"}, {"*.b", "a.*", "a.c"}, {"a.*.>", "a.>", "a.b"},
		{"@>", "@ada", "@ada"}, {"a.{user}.>", "a.ada.b", "a.ada.b.c"}, {"{user}", "*", "b"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, p, q, name string) {
		r, err := Compile(Grants{Read: []string{p}})
		if err != nil {
			return
		}
		r = r.For("a.d*")
		covered := r.May(Read, q)
		if hub.CheckName(name) != nil || hub.CheckPattern(q) != nil || !covered || hub.IsUserTopic(name) {
			return // no pattern stands for the topics of users
		}
		if hub.Matches(q, name) && !r.May(Read, name) {
			t.Errorf("%q covers %q, but does not allow %q", p, q, name)
		}
		if p := strings.ReplaceAll(p, ownToken, Escape("a.d*")); hub.Matches(q, name) && !hub.Matches(p, name) {
			t.Errorf("%q covers %q, but does not match %q", p, q, name)
		}
	})
}
