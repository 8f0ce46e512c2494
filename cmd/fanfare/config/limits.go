package config

import "time"

// Limits are the limits and deadlines. docs/limits.md lists all limits, including those that cannot be set.
type Limits struct {
	MaxMessage   Size `placeholder:"BYTES" default:"1MiB" min:"1" help:"largest message; like all sizes, write it as 65536, 64k or 64KiB. A larger message closes the connection with 1009 or, over HTTP, gets 413"`
	MaxHeader    Size `placeholder:"BYTES" default:"16KiB" min:"512" help:"largest request header; a larger one gets 431 and is logged"`
	MaxPending   Size `placeholder:"BYTES" default:"4MiB" min:"1" help:"bytes that may wait for a slow client before it is disconnected with 1013; also how far it may lag behind in a topic whose -topic rule has no limit"`
	TotalPending Size `placeholder:"BYTES" default:"0" live:"" help:"bytes that may wait for all clients together, including their unfinished messages; beyond it the server disconnects the clients that hold most. 0 means an eighth of the memory that the process may use, -1 no limit"`
	MaxBacklog   Size `placeholder:"BYTES" default:"4MiB" min:"1" help:"bytes by which a connection to /hub may lag behind in all its topics together; beyond it the policy of the topic applies (-topic slow=...)"`
	TotalLogs    Size `placeholder:"BYTES" default:"0" help:"bytes of history and of messages for slow subscribers that all topics together may hold; beyond it the largest topics drop their oldest messages. 0 means an eighth of the memory that the process may use, -1 no limit"`
	TotalBodies  Size `placeholder:"BYTES" default:"0" help:"bytes that the bodies of HTTP requests and responses in progress may hold together; beyond it, the largest transfer of the address that holds most gets 503 or is cut. 0 means 1/32 of the memory that the process may use, -1 no limit"`
	MinRate      Size `placeholder:"BYTES" default:"1KiB" min:"0" help:"minimum rate of a client, in bytes a second. -message-timeout and -http-timeout grow by a second for each -min-rate bytes, and a client that reads its pending messages more slowly is disconnected. 0 means no minimum: each byte restarts the timeouts"`

	MaxConns           int `placeholder:"NUMBER" default:"0" min:"0" live:"" help:"largest number of connections, HTTP included; further ones get 503. 0 means what the limit of open files allows"`
	MaxConnsPerAddr    int `placeholder:"NUMBER" default:"1000" min:"0" unless:"given" help:"largest number of WebSockets from an IPv4 address or an IPv6 /64; further ones get 429. The default exempts loopback addresses, Unix sockets and trusted proxies. A number that is set does not, and counts all connections without a proxy; further ones are closed. 0 means no limit; use it behind a proxy, where all connections have the proxy's address"`
	MaxConnsPerUser    int `placeholder:"NUMBER" default:"100" min:"0" live:"" help:"largest number of connections of a user; further ones get 429. 0 means no limit"`
	MaxHandshakes      int `placeholder:"NUMBER" default:"8192" min:"0" live:"" help:"largest number of WebSocket handshakes in progress; further ones get 503. 0 means no limit"`
	HandshakeRate      int `placeholder:"NUMBER" default:"5000" min:"0" live:"" unless:"given" help:"WebSocket handshakes a second, with a burst of as many; further ones get 503 with Retry-After. A remote address may use an eighth of them. The default exempts loopback addresses, Unix sockets and trusted proxies that do not name the client; a number that is set does not. 0 means no limit"`
	MaxTLSHandshakes   int `name:"max-tls-handshakes" placeholder:"NUMBER" default:"512" min:"1" live:"" help:"largest number of concurrent TLS handshakes, which use about 30 KB each; further ones wait"`
	MaxTopics          int `placeholder:"NUMBER" default:"1048576" min:"1" help:"largest number of topics, patterns included"`
	MaxTopicsPerAddr   int `placeholder:"NUMBER" default:"0" min:"0" help:"largest number of topics that clients of one address may create without the token; 0 means half of -max-topics. In addition, an address may have at most eight times as many topics as are still free"`
	TotalSubscriptions int `placeholder:"NUMBER" default:"16777216" min:"1" help:"largest number of subscriptions of all connections together; further ones get the error unavailable"`
	MaxSubscriptions   int `placeholder:"NUMBER" default:"16384" min:"1" help:"largest number of subscriptions of a connection to /hub; further ones get the error too-large"`

	IdempotencyKeys   int           `placeholder:"NUMBER" default:"65536" min:"1" help:"largest number of messages that are remembered by their idempotency key, at most a quarter of them of one publisher; beyond it the publisher with the most loses its oldest. Each takes 150 to 300 bytes"`
	IdempotencyWindow time.Duration `placeholder:"TIME" default:"5m" min:"1" help:"time for which a message is remembered by its idempotency key; at least 2m, for which clients repeat one"`

	HandshakeTimeout time.Duration `placeholder:"TIME" default:"10s" min:"1" help:"time from the start of a connection to the end of the request header; slower clients get 408"`
	TLSTimeout       time.Duration `name:"tls-timeout" placeholder:"TIME" default:"10s" min:"1" help:"time from the start of a connection to the end of its TLS handshake"`
	MessageTimeout   time.Duration `placeholder:"TIME" default:"30s" min:"0" help:"time from the first byte of a message to its last, plus one second for every -min-rate bytes of it; slower clients are closed with 1008. 0 means no limit"`
	HTTPTimeout      time.Duration `name:"http-timeout" placeholder:"TIME" default:"30s" min:"0" help:"time for a client to send a request body, and to read a response, plus one second for every -min-rate bytes of it; slower clients get 408 or are cut. 0 means no limit"`
	IdleTimeout      time.Duration `placeholder:"TIME" default:"2m" min:"1" help:"time for which an HTTP connection stays open for the next request"`
	Ping             time.Duration `placeholder:"TIME" default:"25s" min:"0" help:"time between pings, which keep proxies from closing idle connections. 0 means no pings"`
	PongTimeout      time.Duration `placeholder:"TIME" default:"20s" min:"1" help:"time to wait after a ping for data from the client before its connection is closed"`
	BlockedAfter     time.Duration `placeholder:"TIME" default:"1s" min:"0" help:"time after which the log names a handler that keeps a worker from serving other connections, with the client and the stack. 0 means never"`

	Rates `embed:"" group:"Rates"`
}

// Rates are how much may be sent in a second, by whom. 0 means no limit. A burst is how much of the rates may be used at once,
// as a time: 5s is five times what a second has.
//
// By default those of connections and topics spare local clients, which may then use all of what the server can do, as load tests
// do. At the default rates one remote connection takes a few hundredths of a processor.
type Rates struct {
	ConnMessageRate  int           `placeholder:"NUMBER" default:"10000" min:"0" live:"" unless:"given" help:"messages a second that a connection may send; beyond it, it is closed with 4429. The default exempts loopback addresses, Unix sockets and trusted proxies that do not name the client, unless one of the two rates of connections is set. 0 means no limit, for all rates"`
	ConnByteRate     Size          `placeholder:"BYTES" default:"64MiB" min:"0" live:"" unless:"given" help:"bytes a second that a connection may send"`
	ConnBurst        time.Duration `placeholder:"TIME" default:"1s" min:"1" live:"" help:"part of the rates that a connection may use at once: 5s is five times what a second has"`
	UserMessageRate  int           `placeholder:"NUMBER" default:"1000" min:"0" live:"" help:"messages a second that a user may publish, over all connections"`
	UserByteRate     Size          `placeholder:"BYTES" default:"16MiB" min:"0" live:"" help:"bytes a second that a user may publish, over all connections"`
	UserBurst        time.Duration `placeholder:"TIME" default:"5s" min:"1" live:"" help:"part of the rates that a user may use at once"`
	TopicMessageRate int           `placeholder:"NUMBER" default:"10000" min:"0" live:"" unless:"given" help:"messages a second that may be published to a topic. The default exempts local clients, as -conn-message-rate does, and HTTP requests with a key, unless one of the two rates of topics is set"`
	TopicByteRate    Size          `placeholder:"BYTES" default:"64MiB" min:"0" live:"" unless:"given" help:"bytes a second that may be published to a topic"`
	TopicBurst       time.Duration `placeholder:"TIME" default:"1s" min:"1" live:"" help:"part of the rates that a topic may use at once"`
}
