package store

import (
	"slices"
	"strconv"
	"strings"
)

// Reactions are the reactions to a message in one string: each sign followed by the IDs of its users, in
// the order in which they reacted: "👍 1 5;🎉 7". A sign has no spaces, semicolons or digits.
type Reactions string

// MaxReactions is the largest number of reactions to a message. It is bounded because each copy of the
// message contains them.
const MaxReactions = 100

// Reaction is a sign and the users who have reacted with it.
type Reaction struct {
	Sign string
	By   []int64
}

// All returns the reactions by sign.
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

// With returns the reactions with the sign of a user, or without it if on is false. full reports that
// the message cannot have another reaction.
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
