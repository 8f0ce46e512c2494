// Package webhook tells an operator's servers what happens: topics become occupied or vacated, clients connect and
// disconnect, people join and leave. An event goes to every endpoint, which is a URL that gets POST requests with a batch
// of events in JSON.
//
// # Requests
//
//	{"run":"4x7k2m9q0c1d5", "events":[
//	 {"id":"4x7k2m9q0c1d5-17", "sequence":17, "time":1764504000000, "type":"topic.occupied", "topic":"news"},
//	 {"id":"4x7k2m9q0c1d5-18", "sequence":18, "time":1764504000004, "type":"client.connected", "client":"c7q",
//	  "user":"ann", "address":"203.0.113.7", "path":"/hub"},
//	 {"id":"4x7k2m9q0c1d5-19", "sequence":19, "time":1764504000005, "type":"presence.joined", "topic":"room.1",
//	  "person":{"id":"ann", "data":{"name":"Ann"}}}]}
//
// Members without a value are absent. The requests are those of Standard Webhooks: Webhook-Id names the batch and is the
// same when it is sent again, Webhook-Timestamp is the time of this attempt in Unix seconds, and Webhook-Signature has, for
// each of Options.Secrets, "v1," and the HMAC-SHA256 of the id, the time and the body, with points between them, in
// base64. [Verify] checks it. Any status from 200 to 299 takes the batch. Any other answer, and none, is a failure.
//
// # Order and repetition
//
// Events get their sequence numbers when they are queued, and each endpoint gets them in that order: it has one request
// under way at a time, and a batch is sent again until it has been taken or given up before the next one is sent. So the
// events of a topic or a client are never out of order. They arrive at least once: after an answer that was lost a batch
// comes again, with the same ids. A gap in the sequence means that events were lost. All is in memory, so what is queued
// when the process is killed is lost too; the next process has another run, and its numbers begin at 1.
//
// # Delayed ends
//
// topic.vacated and presence.left are held for Options.HoldEnds. If the topic becomes occupied again meanwhile, or the
// person comes back, neither event is sent, so a page that is reloaded does not flap. A person who comes back with other
// data causes a presence.joined with the data.
//
// # Failures
//
// A failed request is repeated after Options.RetryDelay, which doubles up to Options.MaxRetryDelay and varies by half,
// or after what Retry-After says if that is longer, at most an hour; at once when [Webhooks.Set] or [Webhooks.Close] is called,
// and after at most half of the time that is left while Close waits. A batch that fails when its first event has been
// queued for Options.GiveUpAfter is given up: its events are dead letters, which are counted and logged. An endpoint whose
// queue has Options.MaxQueue events or Options.MaxQueueBytes loses the oldest ones that are not under way, which are
// counted too.
//
// # Concurrency
//
// All methods may be called from any goroutine. Those that report an event take as long as its encoding, wait for
// nothing but other such calls, and may be called under locks of the caller. Webhooks.mu, which orders the events, comes
// before endpoint.mu; neither is held during a request. Each endpoint has one goroutine, from New to Close.
package webhook
