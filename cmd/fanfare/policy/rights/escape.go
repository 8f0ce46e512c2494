package rights

import "strings"

const hex = "0123456789ABCDEF"

// Escape returns the token that {user} stands for. It is the name with % . * > / and a leading @ written as %25 %2E %2A
// %3E %2F %40, so that different users have different tokens, and no user has several tokens or a wildcard.
func Escape(user string) string {
	var b strings.Builder
	for i := range len(user) {
		if c := user[i]; special(c, i) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func special(c byte, i int) bool {
	switch c {
	case '%', '.', '*', '>', '/':
		return true
	case '@':
		return i == 0
	}
	return false
}

// isEscaped reports whether token is Escape(user), and user is not empty.
func isEscaped(token, user string) bool {
	for i := range len(user) {
		c := user[i]
		if !special(c, i) {
			if token == "" || token[0] != c {
				return false
			}
			token = token[1:]
			continue
		}
		if len(token) < 3 || token[0] != '%' || token[1] != hex[c>>4] || token[2] != hex[c&15] {
			return false
		}
		token = token[3:]
	}
	return token == "" && user != ""
}
