// Package backend asks an operator's HTTP server what a client may do. There are three hooks, each of which is
// optional: connect, when a client connects; subscribe, when it subscribes to a topic; publish, when it publishes.
//
// # Requests
//
// A call is a POST with a JSON object. Members without a value are absent.
//
//	{"hook":"connect", "client":"c7Qp", "address":"203.0.113.7", "user":"ann",
//	 "path":"/hub", "query":"room=1", "headers":{"Cookie":"session=1", "Authorization":"Bearer x"}}
//	{"hook":"subscribe", "client":"c7Qp", "address":"203.0.113.7", "user":"ann", "topic":"room/1"}
//	{"hook":"publish", "client":"c7Qp", "address":"203.0.113.7", "user":"ann", "topic":"room/1", "key":"k",
//	 "data":{"any":"JSON"}}
//
// A message that is not JSON has "text" or "base64" instead of "data". The values of a header with several lines are
// joined by commas (Cookie by semicolons). With Options.Token, the request has the header Authorization: Bearer TOKEN.
// With Options.Secret it has
//
//	Fanfare-Signature: t=1764504000,v1=HEX
//
// where HEX is the HMAC-SHA256, with the secret as the key, of the time in seconds, a point, and the body. [Verify]
// checks it. The backend should refuse times that are more than a few minutes off. A request may arrive twice, after a
// broken connection.
//
// # Answers
//
// The answer is 200 with application/json, an object with either "ok" or "error". All members of these are optional.
//
//	{"ok":{"user":"ann", "read":["room/*"], "write":[], "list":[], "manage":[],
//	       "rate":{"messages":20, "bytes":65536}, "data":{"name":"Ann"}, "expires":1764507600}, "cache":60}
//	{"error":{"code":4403, "reason":"banned", "retry":30}, "cache":5}
//
// For connect, "ok" may have all members shown: the user's name, topics and patterns that the client may read, write,
// list and manage, its own rate limit, its presence data, and when the grant ends, in Unix seconds.
// For subscribe it may have "expires". For publish it may have one of "data", "text" and "base64", which replaces the
// message. "code" is an HTTP status from 400 to 499 or a close code from 4000 to 4999; 403 if absent. "retry" is in
// seconds. A status of the response from 400 to 499, except for 408 and 429, refuses this call as well, with an "error"
// object or without; without one the code is the status.
//
// Decoding is strict: an unknown or repeated member, a member of another hook, or a value of a wrong type makes the
// whole answer a failure, so that a misspelt member never grants too much. Redirects, 408, 429, all from 500 on and
// other statuses, other content types, and bodies of more than Options.MaxAnswer are failures, too.
//
// # Failures
//
// A call fails when the backend cannot be reached, does not answer in time, or answers nonsense. Then
// HookOptions.Fallback applies: by default the caller gets an error that is [ErrDown]; or the call is granted with the
// rights in the options, for HookOptions.MaxFallback. Whoever can slow down the backend can bring that about. After
// Breaker.Failures failures in a row, or when a share of the last 64 requests failed, the hook's circuit breaker opens:
// calls fail at once, until a pause is over. The next call is then a probe. If it succeeds the breaker closes, and
// otherwise the next pause is twice as long; it is at least what a 429 or 503 gives as Retry-After, within
// Breaker.MaxPause. Every change of the breaker is logged once, and further failures at most every 10 s.
//
// A call that finds too many others waiting, or waits in the queue for more than half of its time and then gets no
// answer, gets [ErrBusy]. That is no failure of the backend, and there is no fallback.
//
// # Cache
//
// Answers are kept for HookOptions.Cache, or for "cache" seconds if the answer says so, at most HookOptions.MaxCache,
// and not beyond "expires". A kept answer is given to calls of the same hook that would send exactly the same body:
// HookOptions.Omit keeps out what does not matter, such as the client's ID. If HookOptions.Cache is above 0, equal
// calls at the same time share one request. Failures are not kept.
//
// # Concurrency
//
// All methods may be called from any goroutine. Each hook has its own requests, queue, breaker, cache and lock; the
// lock is held for look-ups only, never during a request or a callback. [Backend.Go] does not wait. At most
// MaxConcurrent requests of a hook are under way, each on one goroutine. Further ones wait in a queue that takes turns
// between owners, which are users, or addresses where there is no user. When the queue is full, the newest request of
// the owner with most makes room.
//
// Each callback runs exactly once. There is no order among the callbacks of different calls, even of the same
// client: a caller that needs an order must keep it itself. A callback runs with no lock held, and must not block.
//
// Durations are measured with the monotonic clock. A test can run a Backend in a bubble of testing/synctest, with an
// Options.Transport in memory.
package backend
