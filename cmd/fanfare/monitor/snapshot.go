package monitor

import "time"

// Snapshot is the state of a server. Fields called counters only grow while the process runs, which Started identifies. Sizes
// are in bytes, and times in seconds unless their type says otherwise.
type Snapshot struct {
	Time    time.Time `json:"time"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`
	State   string    `json:"state"` // ready, stopping, or unlinked: without a link to NATS

	Process  Process         `json:"process"`
	Conns    Conns           `json:"connections"`
	Traffic  Traffic         `json:"traffic"`
	Engine   Engine          `json:"engine"`
	Topics   Topics          `json:"topics"`
	Hub      Sessions        `json:"hub"`
	API      API             `json:"api"`
	Once     Once            `json:"idempotency"`
	Access   Access          `json:"access"`
	Rates    map[string]Rate `json:"rates"`              // users and topics: what they publish
	Hooks    map[string]Hook `json:"hooks,omitempty"`    // the backend's, by name: connect, subscribe, publish
	Webhooks *Webhooks       `json:"webhooks,omitempty"` // nil if there are none
	Broker   *Broker         `json:"broker,omitempty"`   // nil if the server stands alone
	// CertificateExpires is when the first of the certificates in use does; nil without one.
	CertificateExpires *time.Time `json:"certificate_expires,omitempty"`
	// CertificateRenewBy is when the first of them should have been renewed at the latest, which need not be the first to expire.
	CertificateRenewBy *time.Time `json:"certificate_renew_by,omitempty"`
	// CertificatesMissing are domains for which ACME has not got a certificate yet.
	CertificatesMissing []string `json:"certificates_missing,omitempty"`
	Alerts              []Alert  `json:"alerts"` // what is wrong now; empty, not null, if nothing is
}

// Process is what the process uses.
type Process struct {
	PID          int     `json:"pid"`
	CPUSeconds   float64 `json:"cpu_seconds"` // counter: user and system time
	RSS          int64   `json:"rss"`
	Heap         int64   `json:"heap"`         // live and dead objects
	MemoryLimit  int64   `json:"memory_limit"` // that the process may use: of GOMEMLIMIT, the cgroup or the machine
	GroupMemory  int64   `json:"group_memory"` // that counts for its control group: with the kernel's for sockets, without cache of files
	GroupLimit   int64   `json:"group_limit"`  // of GroupMemory; 0 for none
	Goroutines   int     `json:"goroutines"`
	Files        int     `json:"files"` // open descriptors
	FileLimit    int     `json:"file_limit"`
	KernelSocket int64   `json:"kernel_socket"`  // what an idle connection takes in the kernel; an estimate
	PerConn      int64   `json:"per_connection"` // RSS over that of the empty server, for each connection; 0 below 100 connections
}

// Conns are the connections and how they began and ended. Maps are counters.
type Conns struct {
	Open       int64            `json:"open"`
	WebSockets int64            `json:"websockets"`
	Limit      int64            `json:"limit"`
	Accepted   int64            `json:"accepted"`   // counter
	Handshakes int64            `json:"handshakes"` // of WebSockets, under way now
	Outcomes   map[string]int64 `json:"outcomes"`   // handshakes of WebSockets: opened, refused, timed_out, aborted
	TLS        map[string]int64 `json:"tls"`        // TLS handshakes: done, shed, timed_out, failed in another way
	TLSRunning int64            `json:"tls_running"`
	TLSWaiting int64            `json:"tls_waiting"` // handshakes that wait for a place
	Refusals   map[string]int64 `json:"refusals"`    // by reason, such as token, right, address, full, conn_rate
	Statuses   map[string]int64 `json:"statuses"`    // requests and handshakes that were refused, by HTTP status
	Closes     map[string]int64 `json:"closes"`      // by code, such as 1000; those of libraries are 3xxx, of applications 4xxx, apart from 44xx
	// ClosesByPeer are those of Closes that the client began, by code, and Abnormal those of 1006 by cause: ended, lost,
	// pong_timeout, slow, shed, other.
	ClosesByPeer  map[string]int64 `json:"closes_by_peer"`
	Abnormal      map[string]int64 `json:"abnormal"`
	CloseTimeouts int64            `json:"close_timeouts"` // counter: clients that did not answer a close frame in time
}

// Traffic are counters of what has come and gone.
type Traffic struct {
	MessagesIn  int64 `json:"messages_in"`
	MessagesOut int64 `json:"messages_out"`
	BytesIn     int64 `json:"bytes_in"`
	BytesOut    int64 `json:"bytes_out"`
	Pings       int64 `json:"pings"` // that the server has sent
	// Bytes of messages before and after permessage-deflate, of those that were compressed.
	SentPlain          int64 `json:"sent_plain"`
	SentCompressed     int64 `json:"sent_compressed"`
	ReceivedPlain      int64 `json:"received_plain"`
	ReceivedCompressed int64 `json:"received_compressed"`
}

// Engine is how busy the event loops and their workers are.
type Engine struct {
	Queued            int64     `json:"queued"`     // bytes that wait for clients
	Held              int64     `json:"held"`       // bytes that -total-pending bounds
	HeldLimit         int64     `json:"held_limit"` // 0 for none
	Shed              int64     `json:"shed"`       // counter: connections that were closed because it was too much
	Slow              int64     `json:"slow"`       // counter: connections that were closed because they read too slowly
	Ready             int64     `json:"ready"`      // connections that wait for a worker
	LongestWait       float64   `json:"longest_wait"`
	Busy              int64     `json:"busy"`       // workers
	Workers           int64     `json:"workers"`    // largest number
	Background        int64     `json:"background"` // tasks that may wait, such as the dialing of a broker
	BackgroundWaiting int64     `json:"background_waiting"`
	Blocked           int64     `json:"blocked"`      // workers that the watchdog complains about now
	BlockedEver       int64     `json:"blocked_ever"` // counter
	ReadyWait         Histogram `json:"ready_wait"`
	LoopLag           Histogram `json:"loop_lag"`
}

// Topics is the hub. Published, Delivered, Drops, Evicted and Shed are counters.
type Topics struct {
	Open              int64            `json:"open"`
	Limit             int64            `json:"limit"`
	Subscriptions     int64            `json:"subscriptions"`
	SubscriptionLimit int64            `json:"subscription_limit"`
	Lagging           int64            `json:"lagging"` // subscriptions that have not taken all yet
	Memory            int64            `json:"memory"`  // of histories and of messages for slow subscribers
	MemoryLimit       int64            `json:"memory_limit"`
	Presence          int64            `json:"presence"` // memory of who is present
	Published         int64            `json:"published"`
	Delivered         int64            `json:"delivered"`
	Drops             map[string]int64 `json:"drops"`   // messages that a subscriber did not get, by policy: disconnect, drop-newest, drop-oldest, conflate
	Evicted           int64            `json:"evicted"` // subscribers that were disconnected because they were too slow
	Shed              int64            `json:"shed"`    // messages that were dropped because of MemoryLimit
	Fanout            Histogram        `json:"fanout"`  // how long a pass takes
}

// Sessions are the clients of fanfare.v1.
type Sessions struct {
	Members         int64            `json:"members"` // connections
	Waiting         int64            `json:"waiting"` // bytes of requests
	WaitingLimit    int64            `json:"waiting_limit"`
	Held            int64            `json:"held"`            // counter: how often a connection was not read because too many of its requests waited
	Data            int64            `json:"data"`            // bytes of presence data of open connections
	Unauthenticated int64            `json:"unauthenticated"` // connections whose token has not been checked yet
	Busy            int64            `json:"busy"`            // counter: requests that were refused because too much was under way
	Recoveries      map[string]int64 `json:"recoveries"`      // counters of subscribe requests by outcome: none, resumed, lost, new_epoch
}

// API is the memory of HTTP requests: their bodies, and the responses that clients have not read.
type API struct {
	Held      int64  `json:"held"`
	HeldLimit int64  `json:"held_limit"` // 0 for none
	Shed      uint64 `json:"shed"`       // counter: requests that were ended because it was too much
}

// Once is what the server remembers of messages with an idempotency key, over /hub and HTTP.
type Once struct {
	Keys      int64            `json:"keys"`
	Limit     int64            `json:"limit"`
	Repeated  map[string]int64 `json:"repeated"`  // counters of messages that were sent again: replayed, or reused for another message and so refused
	Forgotten int64            `json:"forgotten"` // counter: keys that were forgotten before their time, as there were too many
}

// Rate is a limiter of rates with a key for each user or topic.
type Rate struct {
	Taken   uint64 `json:"taken"`   // counter: messages that were admitted
	Refused uint64 `json:"refused"` // counter: messages
	Shared  uint64 `json:"shared"`  // counter: messages from a credit that several keys share, since there are too many
	Keys    int    `json:"keys"`
}

// Access is the policy.
type Access struct {
	Users       int    `json:"users"`
	Conns       int    `json:"connections"` // of users, keys and tokens
	Expiring    int    `json:"expiring"`
	Revocations int    `json:"revocations"`
	Expired     uint64 `json:"expired"` // counter
	Revoked     uint64 `json:"revoked"` // counter
}

// Hook is a question to the operator's backend. Its counters begin again when a reload changes the options of the backend.
type Hook struct {
	Results     map[string]uint64 `json:"results"`      // counters of calls: granted, refused, fallback, failed, busy, cancelled
	Failures    map[string]uint64 `json:"failures"`     // counters of requests, by cause
	Cached      uint64            `json:"cached"`       // counter: calls that a kept answer decided
	Joined      uint64            `json:"joined"`       // counter: calls that shared the request of another
	Requests    uint64            `json:"requests"`     // counter
	RequestTime float64           `json:"request_time"` // counter
	Running     int               `json:"running"`
	Queued      int               `json:"queued"`
	Waiting     int               `json:"waiting"` // calls
	Breaker     string            `json:"breaker"` // closed, open or probing
	Opened      uint64            `json:"opened"`  // counter: how often the breaker opened
}

// Webhooks are the events that go out.
type Webhooks struct {
	Queued      int64            `json:"queued"`   // events
	Fullness    float64          `json:"fullness"` // of the fullest queue of an endpoint, from 0 to 1
	Failing     int64            `json:"failing"`  // endpoints whose last request has failed, and for which events wait
	Retries     int64            `json:"retries"`  // counter: requests that were repetitions
	QueuedBytes int64            `json:"queued_bytes"`
	Events      map[string]int64 `json:"events"`   // counters by result: sent, dropped, dead
	Requests    map[string]int64 `json:"requests"` // counters by result: ok, failed
	Oldest      float64          `json:"oldest"`   // age of the oldest event in the queue
}

// Alert is something that an operator must look at.
type Alert struct {
	Name     string `json:"name"`     // of the rule, the same as in the alert rules for Prometheus
	Severity string `json:"severity"` // warning or critical
	Text     string `json:"text"`     // what is wrong, with figures, and what helps
}

// Broker is the link to the other nodes of a cluster.
type Broker struct {
	Up           bool             `json:"up"`
	Ready        bool             `json:"ready"`    // it is up, or was a moment ago
	Links        int64            `json:"links"`    // counter
	Losses       map[string]int64 `json:"losses"`   // counters, by cause
	Epochs       int64            `json:"epochs"`   // counter: how often the stream has begun anew
	Failures     map[string]int64 `json:"failures"` // counters of messages: refused, unconfirmed
	RoundTrip    Histogram        `json:"round_trip"`
	Pending      int64            `json:"pending"` // published messages without an answer
	PendingBytes int64            `json:"pending_bytes"`
	QueueBytes   int64            `json:"queue_bytes"` // messages that wait for the subscribers
}
