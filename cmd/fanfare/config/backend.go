package config

import "time"

// Backend is the application's server, which the server asks by POST requests in JSON.
type Backend struct {
	Connect   string   `placeholder:"URL" help:"URL that is asked whether a client may connect"`
	Subscribe string   `placeholder:"URL" help:"URL that is asked whether a client may subscribe to a topic"`
	Publish   string   `placeholder:"URL" help:"URL that is asked whether a client may publish a message"`
	Headers   []string `placeholder:"NAMES" default:"Authorization,Cookie" live:"" help:"comma-separated fields of the client's handshake that are sent along"`

	Timeout         time.Duration `placeholder:"TIME" default:"5s" min:"1" live:"" help:"time to wait for an answer"`
	MaxConcurrent   int           `placeholder:"NUMBER" default:"64" min:"1" live:"" help:"largest number of concurrent requests; further ones wait"`
	Cache           time.Duration `placeholder:"TIME" default:"0s" min:"0" live:"" help:"time for which an answer that does not say so itself is used again for the same question; 0 means that the question is asked again"`
	Omit            []string      `placeholder:"NAMES" derived:"client in questions about subscriptions with -backend-cache, else none" live:"" help:"comma-separated members that requests do not have, so that questions are the same without them: client, address, path and query; none for none"`
	Fallback        string        `placeholder:"WORD" default:"deny" live:"" help:"what the server does if the backend fails: deny, or allow, which lets clients read, list and publish to all topics"`
	BreakerFailures int           `placeholder:"NUMBER" default:"10" min:"1" live:"" help:"failures in a row after which the server stops asking for -backend-breaker-pause"`
	BreakerPause    time.Duration `placeholder:"TIME" default:"1s" min:"1" live:"" help:"time after which a backend that failed is asked again; it doubles, up to 30s, as long as the backend fails"`
	SecretFile      string        `placeholder:"FILE" live:"" help:"file whose only word is the key of the signature of requests"`
	TokenFile       string        `placeholder:"FILE" live:"" help:"file whose only word is sent to the backend as Authorization: Bearer WORD"`
}
