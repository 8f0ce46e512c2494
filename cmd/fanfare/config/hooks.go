package config

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
)

// Hooks returns the options of the backend's hooks. It reads the files that they name. There are no hooks if
// Backend.Any reports false.
func (c *Config) Hooks() (backend.Options, error) {
	b := &c.Backend
	fallback := backend.Fallback{Allow: b.Fallback == "allow"}
	if fallback.Allow {
		all := []string{">"}
		fallback.Rights = backend.Rights{Read: all, Write: all, List: all}
	}
	hook := func(url string) backend.HookOptions {
		return backend.HookOptions{URL: url, Timeout: b.Timeout, Cache: b.Cache, Omit: b.Omit, Fallback: fallback}
	}
	o := backend.Options{
		Connect: hook(b.Connect), Subscribe: hook(b.Subscribe), Publish: hook(b.Publish),
		Headers: b.Headers, MaxConcurrent: b.MaxConcurrent,
		Breaker: backend.Breaker{Failures: b.BreakerFailures, Pause: b.BreakerPause},
	}
	if b.Cache > 0 && !c.Explicit("backend.omit") {
		o.Subscribe.Omit = []string{"client"} // which is another one after a reconnect
	}
	for _, f := range []struct {
		path, file string
		set        func(word string)
	}{
		{"backend.secret-file", b.SecretFile, func(word string) { o.Secret = []byte(word) }},
		{"backend.token-file", b.TokenFile, func(word string) { o.Token = word }},
	} {
		if f.file == "" {
			continue
		}
		word, err := secretfile.Word(f.file)
		if err != nil {
			return o, fmt.Errorf("%s: %w", f.path, err)
		}
		f.set(word)
	}
	return o, nil
}

// Any reports whether there is a hook.
func (b *Backend) Any() bool { return b.Connect != "" || b.Subscribe != "" || b.Publish != "" }
