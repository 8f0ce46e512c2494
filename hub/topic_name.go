package hub

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name of a topic, and the longest pattern, in bytes.
const maxName = 255

// The wildcards of a pattern.
const (
	anyToken = "*" // one token
	anyTail  = ">" // all tokens from here on, at least one
)

// CheckName reports what is wrong with the name of a topic. A name has 1 to 255 bytes of
// printable UTF-8, without spaces and without the characters / * and >. Dots divide it into
// tokens, none of which is empty. * and > are for patterns: see [CheckPattern].
func CheckName(name string) error {
	const what = "name of the topic"
	if err := checkText(what, name); err != nil {
		return err
	}
	for token := range strings.SplitSeq(name, ".") {
		if token == anyToken || token == anyTail {
			return fmt.Errorf("hub: the name of the topic has %s in place of a token, as only patterns may: say which topic", token)
		}
		if err := checkToken(what, token); err != nil {
			return err
		}
	}
	return nil
}

// checkText reports what is wrong with a name or a pattern as a whole.
func checkText(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("hub: the %s is empty", what)
	case len(s) > maxName:
		return fmt.Errorf("hub: the %s has %d bytes; at most %d are allowed", what, len(s), maxName)
	case !utf8.ValidString(s):
		return fmt.Errorf("hub: the %s is not UTF-8", what)
	}
	return nil
}

// checkToken reports what is wrong with a token that is not a wildcard.
func checkToken(what, token string) error {
	if token == "" {
		return errors.New("hub: the " + what + " has an empty part between dots")
	}
	for _, r := range token {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune("/*>", r) {
			return fmt.Errorf("hub: the %s contains %q; letters, digits and . _ - : are good, / * > and spaces are not allowed", what, r)
		}
	}
	return nil
}

// IsPattern reports whether name is meant as a pattern: it contains * or >, which names of
// topics must not contain. It may still be invalid: see [CheckPattern].
func IsPattern(name string) bool { return strings.ContainsAny(name, "*>") }

// presenceTopicName returns a name that no topic can have and that cannot be requested.
func presenceTopicName(topic string) string { return userMark + " " + topic }

// userMark begins the reserved names of users' topics. No pattern matches them, and a member
// cannot subscribe or publish to the topic of another user.
const userMark = "@"

// UserTopic returns the name of a user's topic.
func UserTopic(user string) string { return userMark + user }

// IsUserTopic reports whether a name or pattern begins as the names of users' topics do.
func IsUserTopic(name string) bool { return strings.HasPrefix(name, userMark) }

// CheckUser reports what is wrong with the name of a user. The rules are those for topics (see
// [CheckName]), but the name has one byte less: 254 at most.
func CheckUser(user string) error {
	if err := CheckName(UserTopic(user)); err != nil {
		return fmt.Errorf("hub: %q cannot be the name of a user, which follows the rules for topics: %w", user, err)
	}
	return nil
}
