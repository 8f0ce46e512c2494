package hub

import (
	"fmt"
	"strings"
)

// CheckPattern reports what is wrong with a pattern, which stands for all topics whose names
// match it. The rules for names hold (see [CheckName]), except that tokens may be wildcards: *
// matches any one token, and >, which must be the last token, matches one or more. So
// prices.*.bid matches prices.eur.bid; prices.> matches that too, and prices.eur, but not prices.
// A pattern without wildcards matches the topic of that name. No pattern matches a topic of a
// user, whose name begins with @.
func CheckPattern(pattern string) error {
	const what = "pattern"
	if err := checkText(what, pattern); err != nil {
		return err
	}
	if IsUserTopic(pattern) {
		return fmt.Errorf("hub: the pattern begins with %s, as the topics of users do: none of them is matched by a pattern", userMark)
	}
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		switch {
		case token == anyToken, token == anyTail && !more:
		case token == anyTail:
			return fmt.Errorf("hub: the pattern has > before its end; it stands for all parts that follow, so it has to be the last one; * stands for one")
		case IsPattern(token):
			return fmt.Errorf("hub: the pattern has the part %q; * and > have to be parts of their own, as in news.* and news.>", token)
		default:
			if err := checkToken(what, token); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSubject checks the name of a topic, or a pattern.
func checkSubject(name string) error {
	if IsPattern(name) {
		return CheckPattern(name)
	}
	return CheckName(name)
}

// Matches reports whether name is the name of a topic that pattern stands for. Both must pass
// their checks. Names of users' topics get no special treatment here.
func Matches(pattern, name string) bool { return matches(pattern, name) }

// matches is Matches. Both arguments have been checked.
func matches(pattern, name string) bool {
	for {
		p, patternRest, patternMore := strings.Cut(pattern, ".")
		n, nameRest, nameMore := strings.Cut(name, ".")
		switch {
		case p == anyTail:
			return true
		case p != anyToken && p != n:
			return false
		case !patternMore || !nameMore:
			return patternMore == nameMore
		}
		pattern, name = patternRest, nameRest
	}
}
