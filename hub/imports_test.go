package hub

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The hub handles bytes and subscribers: it imports no protocol.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := strings.Fields(string(out))
	if !slices.Contains(imports, "github.com/fanfare-ws/fanfare/netpoll") {
		t.Fatalf("this does not read as a list of imports: %q", imports)
	}
	for _, path := range []string{"net/http", "github.com/fanfare-ws/fanfare/wsproto", "github.com/gobwas/ws"} {
		if slices.Contains(imports, path) {
			t.Errorf("package hub imports %s", path)
		}
	}
}
