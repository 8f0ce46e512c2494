package peers_test

import (
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// TestNode uses clients of Node's ws.
func TestNode(t *testing.T) {
	node := script.NodeWithWS(t)
	if _, err := node.Eval("globalThis.WebSocket = require('ws')"); err != nil {
		t.Fatal(err)
	}
	load(t, node)
	every(t, dialScript(node))
}
