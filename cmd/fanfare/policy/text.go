package policy

import (
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// plain returns the text of an error without the name of the package it comes from.
func plain(err error) string {
	return strings.ReplaceAll(err.Error(), "hub: ", "")
}

// what names a topic in a reason.
func what(topic string) string {
	switch {
	case hub.IsUserTopic(topic):
		return "the topics of users"
	case topic == "":
		return "topics"
	}
	return fmt.Sprintf("%.100q", topic)
}
