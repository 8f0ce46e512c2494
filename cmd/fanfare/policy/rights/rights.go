package rights

import (
	"errors"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// Rights are what an identity may do. They never change. A nil *Rights allows nothing.
type Rights struct {
	table *table
	user  string // for {user}
}

// table is what equal rights share.
type table struct {
	shared    Rights // without a user
	key       string // see appendKey; the strings below are parts of it
	topics    trie
	users     []grant // of the topics of single users, sorted
	own, all  mask    // for @{user} and @>
	any       mask
	personal  bool // a pattern has {user}
	anonymous bool
	limits    Limits
}

// Compile returns the rights that the grants describe, or everything that is wrong with them.
func Compile(g Grants) (*Rights, error) { return compile(&g, false) }

// CompileAnonymous is Compile for callers that have not said who they are.
func CompileAnonymous(g Grants) (*Rights, error) { return compile(&g, true) }

func compile(g *Grants, anonymous bool) (*Rights, error) {
	if n := g.count(); n > MaxPatterns {
		return nil, errors.Join(g.Check()...)
	}
	t, err := shared.get(g, anonymous)
	if err != nil {
		return nil, err
	}
	return &t.shared, nil
}

// For returns the rights with {user} standing for that user, whose name must pass hub.CheckUser.
func (r *Rights) For(user string) *Rights {
	if r == nil || r.user == user || !r.table.personal {
		return r
	}
	return &Rights{r.table, user}
}

// May reports whether the rights allow the action with a topic, or with all topics that match a pattern. The name or
// pattern must have passed its check.
func (r *Rights) May(a Action, topic string) bool {
	if !r.Any(a) || topic == "" {
		return false
	}
	if hub.IsUserTopic(topic) {
		return r.mayUser(a.bit(), topic)
	}
	return r.table.topics.covers(0, topic, a.bit(), r.user)
}

func (r *Rights) mayUser(bit mask, topic string) bool {
	t := r.table
	switch {
	case t.all&bit != 0:
		return true
	case t.own&bit != 0 && r.user != "" && topic[len(userMark):] == r.user && !hub.IsPattern(topic):
		return true
	}
	i, found := slices.BinarySearchFunc(t.users, topic, func(g grant, topic string) int { return strings.Compare(g.pattern, topic) })
	return found && t.users[i].actions&bit != 0
}

// Any reports whether the rights allow the action with any topic.
func (r *Rights) Any(a Action) bool { return r != nil && r.table.any&a.bit() != 0 }

// Anonymous reports whether these are the rights of callers that have not said who they are.
func (r *Rights) Anonymous() bool { return r == nil || r.table.anonymous }

// Limits returns the limits that come with the rights.
func (r *Rights) Limits() Limits {
	if r == nil {
		return Limits{}
	}
	return r.table.limits
}

// Equal reports whether two rights allow the same. Rights that Compile made from equal grants are equal.
func (r *Rights) Equal(other *Rights) bool {
	return r == other || r != nil && other != nil && *r == *other
}
