package hub

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name of a topic, in bytes.
const maxName = 255

// CheckName reports what is wrong with the name of a topic: it has 1 to 255 bytes
// of UTF-8, printable and without spaces, and none of the characters / * and >.
// Dots part it into tokens, none of which is empty.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("hub: the name of the topic is empty")
	case len(name) > maxName:
		return fmt.Errorf("hub: the name of the topic has %d bytes; at most %d are allowed", len(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("hub: the name of the topic is not UTF-8")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune("/*>", r) {
			return fmt.Errorf("hub: the name of the topic contains %q; letters, digits and . _ - : are good, / * > and spaces are not allowed", r)
		}
	}
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return fmt.Errorf("hub: the name of the topic has an empty part between dots")
	}
	return nil
}
