package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

// root is the directory of the project, relative to this package.
const root = "../../.."

// command returns a command in the root of the project.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = root
	return c
}

// output returns what a command prints, which must succeed.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", c, err, out.String(), errs.String())
	}
	return out.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// build builds a program of the project without cgo.
func build(t *testing.T, to, program string) {
	t.Helper()
	c := command(t, "go", "build", "-o", to, "./cmd/"+program)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	output(t, c)
}

// documented returns the block of docs/deployment.md in that language that begins so.
func documented(t *testing.T, lang, first string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+lang+"\n(.*?)^```$").FindAllStringSubmatch(read(t, "../docs/deployment.md"), -1) {
		if strings.HasPrefix(m[1], first) {
			return m[1]
		}
	}
	t.Fatalf("no block of %s begins with %q", lang, first)
	return ""
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
