package script

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// Browser is a tab of a Chromium without a window.
type Browser struct{ ctx context.Context }

// Chromium starts a browser that ends with the test, or skips the test. Every name below .test leads to this machine, so a
// test can have pages of different sites.
func Chromium(t testing.TB) *Browser {
	t.Helper()
	path := findChromium()
	if path == "" {
		Need(t, "Chromium", "apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"))
	if os.Geteuid() == 0 { // as whom it does not start with its sandbox
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Browser{ctx}
	if err := b.Open("about:blank"); err != nil {
		t.Fatal(err)
	}
	return b
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Open loads a page: scripts are its own from now on.
func (b *Browser) Open(url string) error { return chromedp.Do(b.ctx, chromedp.Navigate(url)) }

// Eval runs a script in the page.
func (b *Browser) Eval(script string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	line, err := json.Marshal(script)
	if err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte]("(async () => (await (0, eval)("+string(line)+")) ?? null)()", chromedp.EvalAwaitPromise))
}

// Window opens a window of somebody else: it shares neither cookies nor storage. It
// closes with the test.
func (b *Browser) Window(t testing.TB, width, height int64) *Browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := &Browser{ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	return w
}

// Screenshot returns what the window shows, as PNG.
func (b *Browser) Screenshot() ([]byte, error) {
	return chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
}

// Call calls an asynchronous function of the page's, whose body is given, with arguments
// args. Unlike Eval, it may be called where the page's policy forbids to evaluate strings.
func (b *Browser) Call(body string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if args == nil {
		args = []any{}
	}
	list, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte]("(async (args) => { "+body+"\n})("+string(list)+").then(v => v ?? null)", chromedp.EvalAwaitPromise))
}
