package doctest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// TestJavaScript runs the JavaScript of each page with the server that the page has started before: in Chromium as a module of
// a page on another port, and in Node as a file.
func TestJavaScript(t *testing.T) {
	path := script.FindNode(t)
	if !namespaced(t) {
		return
	}
	s := newShell(t)
	browser := script.Chromium(t)
	found := 0
	for _, b := range collect(t, everything) {
		if b.lang != "js" {
			continue
		}
		found++
		for engine, run := range map[string]func(*testing.T, block) string{
			"page":    func(t *testing.T, b block) string { return inPage(t, browser, b) },
			"console": func(t *testing.T, b block) string { return inConsole(t, browser, b) },
			"node":    func(t *testing.T, b block) string { return inNode(t, path, s, b) },
		} {
			t.Run(b.name()+"/"+engine, func(t *testing.T) {
				if _, err := s.command("go run ./cmd/fanfare"); err != nil {
					t.Fatal(err)
				}
				if got, want := run(t, b), promised(t, b); got != want {
					t.Errorf("%v promises %q, and this is printed: %q", b, want, got)
				}
			})
		}
	}
	if found == 0 {
		t.Error("no JavaScript is found")
	}
}

// promised returns the output that a script declares in a comment.
func promised(t *testing.T, b block) string {
	t.Helper()
	m := regexp.MustCompile(`// prints: (.*)\n`).FindStringSubmatch(b.text)
	if m == nil {
		t.Fatalf("%v does not say what it prints, in a comment: prints: ...", b)
	}
	return m[1]
}

const page = `<!doctype html>
<script>
globalThis.printed = [];
console.log = console.error = console.warn = (...words) => printed.push(words.join(' '));
addEventListener('error', e => printed.push(String(e.message)));
addEventListener('unhandledrejection', e => printed.push(String(e.reason)));
</script>
<script type="module" onerror="printed.push('the module cannot be loaded')">
%s
</script>`

// inPage runs b in a page on another port, and returns its first log message.
func inPage(t *testing.T, browser *script.Browser, b block) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, page, b.text)
	})}
	go func() { _ = web.Serve(l) }()
	defer web.Close()
	if err := browser.Open("http://" + l.Addr().String() + "/"); err != nil {
		t.Fatal(err)
	}
	got, err := browser.Eval(`(async () => { while (!printed.length) await new Promise(r => setTimeout(r, 10)); return printed[0] })()`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(got), `"`)
}

// inConsole runs b in the server's own page, as the browser's console does.
func inConsole(t *testing.T, browser *script.Browser, b block) string {
	t.Helper()
	if err := browser.Open("http://localhost:8080/"); err != nil {
		t.Fatal(err)
	}
	got, err := browser.Call("return new Promise(async (resolve, reject) => { console.log = (...words) => resolve(words.join(' ')); try {\n" + b.text + "\n} catch (e) { reject(e) } })")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(got), `"`)
}

// inNode saves the client beside b, as README tells readers to, and returns the first line that b prints.
func inNode(t *testing.T, path string, s *shell, b block) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.ReplaceAll(b.text, "'http://localhost:8080/fanfare.js'", "'./fanfare.mjs'")
	file := filepath.Join(dir, "example.mjs")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.command("curl -sf -o " + dir + "/fanfare.mjs http://localhost:8080/fanfare.js"); err != nil {
		t.Fatal(err, out)
	}
	args := []string{"--no-warnings", file}
	if exec.Command(path, "-e", "WebSocket").Run() != nil { // before Node 22 WebSocket is experimental
		args = append([]string{"--experimental-websocket"}, args...)
	}
	cmd, out := exec.Command(path, args...), new(netpolltest.Output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := netpolltest.Settles(timeout, func() bool { return strings.Contains(out.String(), "\n") })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !printed {
		t.Fatal("it prints nothing")
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return line
}

// TestForeignJavaScript checks the syntax of JavaScript that is for other servers, and that a page marks with the whole name of
// the language.
func TestForeignJavaScript(t *testing.T) {
	path := script.FindNode(t)
	for _, b := range collect(t, everything) {
		if b.lang != "javascript" {
			continue
		}
		file := filepath.Join(t.TempDir(), "foreign.mjs")
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "--check", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", b, err, out)
		}
	}
}
