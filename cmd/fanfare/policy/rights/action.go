package rights

// Action is what an identity may do with a topic.
type Action uint8

// The actions.
const (
	Read   Action = iota // subscribe, and ask for history
	Write                // publish
	List                 // see that a topic exists, its figures and who is present
	Manage               // end the subscriptions and connections of others

	actions = 4
)

var actionNames = [actions]string{"read", "write", "list", "manage"}

// String returns the name that the action has in claims and options.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// mask has a bit for each of several actions.
type mask uint8

func (a Action) bit() mask {
	if a >= actions {
		return 0
	}
	return 1 << a
}
