package rights

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// Grants describe rights. The lists have names of topics and patterns; see the package's documentation.
type Grants struct {
	Read, Write, List, Manage []string

	Limits Limits
}

// Limits bound what the connections of an identity may do. Zero means the server's limit.
type Limits struct {
	Messages int // a second, of one connection
	Bytes    int // a second, of one connection
	Conns    int // at a time, of one user
}

// MaxPatterns is the largest number of names and patterns in Grants, in all lists together.
const MaxPatterns = 1024

// Everything returns the grants of an identity that may do everything.
func Everything() Grants {
	all := []string{">", allUsers}
	return Grants{Read: all, Write: all, List: all, Manage: all}
}

// Empty reports whether the grants allow nothing.
func (g *Grants) Empty() bool { return g.count() == 0 }

func (g *Grants) count() int { return len(g.Read) + len(g.Write) + len(g.List) + len(g.Manage) }

func (g *Grants) lists() [actions][]string {
	return [actions][]string{Read: g.Read, Write: g.Write, List: g.List, Manage: g.Manage}
}

// Check reports everything that is wrong with the grants. Each error begins with the list, and the place in it.
func (g *Grants) Check() []error {
	var all []error
	if n := g.count(); n > MaxPatterns {
		all = append(all, fmt.Errorf("there are %d names and patterns; at most %d are allowed", n, MaxPatterns))
	}
	for a, list := range g.lists() {
		for i, pattern := range list {
			if err := CheckPattern(pattern); err != nil {
				all = append(all, fmt.Errorf("%s[%d]: %w", Action(a), i, err))
			}
		}
	}
	return append(all, g.Limits.check()...)
}

func (l *Limits) check() (all []error) {
	for _, f := range []struct {
		name string
		n    int
	}{{"messages", l.Messages}, {"bytes", l.Bytes}, {"conns", l.Conns}} {
		if f.n < 0 {
			all = append(all, fmt.Errorf("%s: %d is negative; it must be at least 1, or 0 for the limit of the server", f.name, f.n))
		}
	}
	return all
}

// The special forms of patterns.
const (
	ownToken = "{user}" // the user of the identity
	userMark = "@"      // begins the topics of users
	allUsers = "@>"
	ownTopic = "@{user}"
)

// CheckPattern reports what is wrong with the pattern of a right.
func CheckPattern(pattern string) error {
	if pattern == allUsers || pattern == ownTopic {
		return nil
	}
	if user, ok := strings.CutPrefix(pattern, userMark); ok {
		return checkUser(user)
	}
	plain := pattern
	if strings.ContainsAny(pattern, "{}") {
		tokens := strings.Split(pattern, ".")
		for i, token := range tokens {
			if token == ownToken {
				tokens[i] = "u"
			} else if strings.Contains(token, ownToken) || strings.HasPrefix(token, "{") {
				return fmt.Errorf("the pattern has the token %.100q; {user} has to be a token of its own, as in inbox.{user}.>, and there is no other placeholder", token)
			}
		}
		plain = strings.Join(tokens, ".")
	}
	if err := hub.CheckPattern(plain); err != nil {
		return fmt.Errorf("%.100q is not a pattern: %s", pattern, strings.TrimPrefix(err.Error(), "hub: "))
	}
	return nil
}

func checkUser(user string) error {
	if user == "" || strings.Contains(user, ownToken) || hub.IsPattern(user) {
		return errors.New("the topics of users are given as @NAME, as @{user} for that of the identity itself, or as @> for all")
	}
	if err := hub.CheckUser(user); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "hub: ", ""))
	}
	return nil
}
