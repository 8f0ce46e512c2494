package store

import (
	"slices"
	"strconv"
	"strings"
)

// Reactions are signs that users have put on a message, as one string: each sign with the
// users' IDs after it, in the order in which they came: "👍 1 5;🎉 7". A sign has no
// spaces, semicolons or digits.
type Reactions string

// MaxReactions is how many reactions a message has at most; each stands in every copy of
// the message.
const MaxReactions = 100

// Reaction is a sign, and who has put it there.
type Reaction struct {
	Sign string
	By   []int64
}

// All returns them by sign.
func (r Reactions) All() (all []Reaction) {
	for part := range strings.SplitSeq(string(r), ";") {
		sign, users, _ := strings.Cut(part, " ")
		if sign == "" {
			continue
		}
		one := Reaction{Sign: sign}
		for id := range strings.FieldsSeq(users) {
			if n, err := strconv.ParseInt(id, 10, 64); err == nil {
				one.By = append(one.By, n)
			}
		}
		all = append(all, one)
	}
	return all
}

// With returns them with a user's sign, or without; full reports that there is no room for
// one more.
func (r Reactions) With(sign string, user int64, on bool) (changed Reactions, full bool) {
	all, n := r.All(), 0
	at := slices.IndexFunc(all, func(one Reaction) bool { return one.Sign == sign })
	if at < 0 {
		at, all = len(all), append(all, Reaction{Sign: sign})
	}
	for _, one := range all {
		n += len(one.By)
	}
	by := &all[at].By
	switch i := slices.Index(*by, user); {
	case (i >= 0) == on:
		return r, false
	case on && n >= MaxReactions:
		return r, true
	case on:
		*by = append(*by, user)
	default:
		*by = slices.Delete(*by, i, i+1)
	}
	return joined(all), false
}

func joined(all []Reaction) Reactions {
	var parts []string
	for _, one := range all {
		if len(one.By) == 0 {
			continue
		}
		part := one.Sign
		for _, id := range one.By {
			part += " " + strconv.FormatInt(id, 10)
		}
		parts = append(parts, part)
	}
	return Reactions(strings.Join(parts, ";"))
}
