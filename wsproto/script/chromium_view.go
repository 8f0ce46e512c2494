package script

import (
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Prefer sets what the user prefers, such as prefers-color-scheme to dark.
func (b *Browser) Prefer(feature, value string) error {
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: feature, Value: value}},
	})
	return err
}

// Complaints collects what pages complain about.
type Complaints struct {
	mu  sync.Mutex
	all []string
}

// All returns the complaints so far.
func (c *Complaints) All() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.all...)
}

func (c *Complaints) add(kind, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, kind+": "+text)
}

// Complaints returns the errors, warnings and violations of policies of the pages that are opened from now on. Requests that
// fail are none: a page can expect that.
func (b *Browser) Complaints(t testing.TB) *Complaints {
	t.Helper()
	c := new(Complaints)
	if err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if x := e.ExceptionDetails.Exception; x != nil {
				text += " " + x.Description
			}
			c.add("exception", text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				var words []string
				for _, a := range e.Args {
					words = append(words, a.Description, string(a.Value))
				}
				c.add("console", strings.Join(words, " "))
			}
		case *log.EventEntryAdded:
			if (e.Entry.Level == "error" || e.Entry.Level == "warning") && e.Entry.Source != "network" {
				c.add("log", e.Entry.Text)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return c
}
