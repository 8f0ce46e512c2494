package policy

import "strings"

// plain returns the text of an error without the name of the package it comes from.
func plain(err error) string {
	return strings.ReplaceAll(err.Error(), "hub: ", "")
}
