package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/natsserver"
)

// load loads a configuration of that text.
func load(t *testing.T, text string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fanfare.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load([]string{"-config", file}, nil)
}

// TestConfigurations loads each block of TOML as a configuration. Those for the build with a NATS server in it are checked in that
// build.
func TestConfigurations(t *testing.T) {
	for _, b := range collect(t, everything) {
		if b.lang != "toml" {
			continue
		}
		wrong := slices.DeleteFunc(load(t, b.text).Problems, func(p config.Problem) bool {
			return !natsserver.Included && strings.HasSuffix(p.Text, natsserver.ErrNotIncluded.Error())
		})
		if len(wrong) > 0 {
			t.Errorf("%v: %v", b, wrong)
		}
	}
}

// mistakes checks that fanfare reports the mistakes of a block.
func mistakes(t *testing.T, b block) {
	l := load(t, "[limits]\nmax-mesage = 5\nping = 25\n")
	for i, line := range b.lines() {
		_, want, _ := strings.Cut(line, ": ")
		if i >= len(l.Problems) || !strings.HasSuffix(l.Problems[i].String(), ": "+want) {
			t.Errorf("%s is not in %v", want, l.Problems)
		}
	}
}

// logged checks that the program logs what a block shows.
func logged(t *testing.T, b block) {
	code := strings.Join(sources(t, "cmd/fanfare/*.go"), "\n")
	for _, m := range regexp.MustCompile(`msg="([^"]*)"|(\w+)=["\[]`).FindAllStringSubmatch(b.text, -1) {
		if text := m[1] + m[2]; text != "msg" && !strings.Contains(code, `"`+text+`"`) {
			t.Errorf("the program does not log %q", text)
		}
	}
}
