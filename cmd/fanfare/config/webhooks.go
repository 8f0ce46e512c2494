package config

import (
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
)

// Webhooks are the operator's servers that are told what happens.
type Webhooks struct {
	URLs        []string `name:"url" toml:"url" shown:"host" placeholder:"URLS" help:"comma-separated URLs to which events are sent, by POST requests in JSON"`
	Events      []string `placeholder:"TYPES" default:"topic.occupied,topic.vacated,client.connected,client.disconnected,presence.joined,presence.left" live:"" help:"comma-separated types of the events that are sent"`
	Topics      []string `placeholder:"PATTERNS" default:">" live:"" help:"comma-separated names and patterns of the topics whose events are sent; @> for all topics of users"`
	SecretFiles []string `placeholder:"FILES" live:"" help:"comma-separated files, each with one word, a key of the signature of requests. With several each request has a signature of each, so that a key can be replaced"`
	TokenFile   string   `placeholder:"FILE" live:"" help:"file whose only word is sent along as Authorization: Bearer WORD"`

	Timeout       time.Duration `placeholder:"TIME" default:"10s" min:"1" live:"" help:"time to wait for an answer"`
	MaxBatch      int           `placeholder:"NUMBER" default:"500" min:"1" live:"" help:"largest number of events in a request"`
	BatchDelay    time.Duration `placeholder:"TIME" default:"100ms" min:"0" live:"" help:"time that an event waits for others, to be sent with them"`
	HoldEnds      time.Duration `placeholder:"TIME" default:"3s" min:"0" live:"" help:"time for which topic.vacated and presence.left are held; they are not sent if the opposite happens meanwhile, as when a page is reloaded"`
	MaxQueue      int           `placeholder:"NUMBER" default:"65536" min:"1" live:"" help:"largest number of events that wait for a URL; beyond it the oldest ones are dropped"`
	MaxQueueBytes Size          `placeholder:"BYTES" default:"16MiB" min:"1" live:"" help:"memory for the events that wait for a URL; beyond it the oldest ones are dropped"`
	RetryDelay    time.Duration `placeholder:"TIME" default:"1s" min:"1" live:"" help:"time after which a failed request is repeated; it doubles with each failure, and varies by half"`
	MaxRetryDelay time.Duration `placeholder:"TIME" default:"1m" min:"1" live:"" help:"longest time between repetitions, if Retry-After does not ask for a longer one"`
	GiveUpAfter   time.Duration `placeholder:"TIME" default:"15m" min:"1" live:"" help:"age at which an event that no request could deliver is given up"`
}

// Any reports whether there are webhooks.
func (w *Webhooks) Any() bool { return len(w.URLs) > 0 }

// Options returns the options of the webhooks. It reads the files that they name.
func (w *Webhooks) Options() (webhook.Options, error) {
	o := webhook.Options{
		URLs: w.URLs, Events: w.Events, Topics: w.Topics, Timeout: w.Timeout, MaxBatch: w.MaxBatch,
		BatchDelay: orNone(w.BatchDelay), HoldEnds: orNone(w.HoldEnds), MaxQueue: w.MaxQueue, MaxQueueBytes: int(w.MaxQueueBytes),
		RetryDelay: w.RetryDelay, MaxRetryDelay: w.MaxRetryDelay, GiveUpAfter: w.GiveUpAfter,
	}
	for _, file := range w.SecretFiles {
		key, err := signingKey(file)
		if err != nil {
			return o, fmt.Errorf("webhooks.secret-files: %w", err)
		}
		o.Secrets = append(o.Secrets, key)
	}
	if w.TokenFile != "" {
		word, err := secretfile.Word(w.TokenFile)
		if err != nil {
			return o, fmt.Errorf("webhooks.token-file: %w", err)
		}
		o.Token = word
	}
	return o, nil
}

// orNone returns a time for an option in which 0 means the default.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// signingKey returns the key of the signature that a file contains.
func signingKey(file string) ([]byte, error) {
	word, err := secretfile.Word(file)
	if err != nil {
		return nil, err
	}
	key, err := webhook.ParseSecret(word)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

func (l *loader) validateWebhooks() {
	w := &l.config.Webhooks
	for i, url := range w.URLs {
		l.checkURL(fmt.Sprintf("webhooks.url[%d]", i), url)
	}
	l.each("webhooks.events", w.Events, webhook.CheckType)
	l.each("webhooks.topics", w.Topics, webhook.CheckTopic)
	if w.MaxRetryDelay < w.RetryDelay && l.good("webhooks.max-retry-delay", "webhooks.retry-delay") {
		l.refuse("webhooks.retry-delay", " is %v; it must not be longer than max-retry-delay, %v", w.RetryDelay, w.MaxRetryDelay)
	}
	for path, given := range map[string]bool{"webhooks.secret-files": len(w.SecretFiles) > 0, "webhooks.token-file": w.TokenFile != ""} {
		if given && !w.Any() && l.good("webhooks.url") {
			l.note(path, " is given without %s, to which it would be sent", l.nameOf("webhooks.url", path))
		}
	}
}

// webhooks checks the files of the webhooks.
func (i *inspector) webhooks() {
	w := &i.config.Webhooks
	for _, file := range w.SecretFiles {
		if _, err := signingKey(file); err != nil {
			i.refuse("webhooks.secret-files", ": %v", err)
		}
		i.secrecy("webhooks.secret-files", file)
	}
	i.word("webhooks.token-file", w.TokenFile)
	if w.Any() && len(w.SecretFiles) == 0 {
		i.note("webhooks.url", " is given without %s; a receiver cannot tell the server's requests from others", i.nameOf("webhooks.secret-files", "webhooks.url"))
	}
}
