package config

// Access is who may do what. A right is a list of names and patterns of topics: to read, to write (publish), to list, and
// to manage (disconnect others, revoke tokens). Package rights describes the patterns.
type Access struct {
	Origins        []string `placeholder:"HOSTS" live:"" help:"comma-separated hosts whose pages may connect, publish and read, beside the server's own: example.org, example.org:8443, *.example.org, https://example.org, or * for all. A server at localhost accepts pages from every port of localhost"`
	Hosts          []string `placeholder:"NAMES" live:"" help:"comma-separated names of this server, such as example.org,*.example.org, beside localhost and names that cannot be registered. A plain request to a private or loopback address for any other host gets 421, because it may come from a page whose name points here (DNS rebinding). A server with TLS does not need this flag. Behind a proxy with TLS, WebSockets of pages do not need it, as their Origin shows the proxy, but requests without an Origin do, such as those of programs"`
	TrustedProxies []string `placeholder:"ADDRESSES" default:"loopback,unix" help:"comma-separated addresses of proxies in front: the server takes the client's address, scheme and host from their X-Forwarded-For, -Proto and -Host, Forwarded or X-Real-IP. They must set or remove all of these. Addresses, prefixes such as 10.0.0.0/8, and the words loopback, unix (whoever connects to a Unix socket of the server), private and none are allowed. Use none behind a forwarder of plain TCP (ssh -L, socat)"`
	ProxyProtocol  []string `placeholder:"ADDRESSES" default:"none" help:"comma-separated addresses, as those of -trusted-proxies, from which each connection must begin with a PROXY protocol header (v1 or v2). On a Unix socket use the option proxy-protocol of -addr"`
	UserHeader     string   `placeholder:"NAME" help:"name of the header in which a proxy (-trusted-proxies) gives the user of a connection. The proxy must replace the header if a client sends it; the server ignores it from other addresses"`
	TokenFile      string   `placeholder:"FILE" live:"" help:"file whose only word is the API token, a key that may do everything: publish, disconnect others, read the messages of users, and list them. Clients send it as Authorization: Bearer TOKEN or ?token=TOKEN. Clients without it may then only read and list topics, if -anonymous-... says no more. Keys with fewer rights are tables in the file of -config"`

	Anonymous Anonymous `embed:"" prefix:"anonymous-"`
	Users     Users     `embed:"" prefix:"users-"`
	Keys      []Key     `kong:"-" toml:"key" live:"" help:"key of the HTTP API, which a caller sends as the token of -token-file. Rights that are not given are none"`
}

// Anonymous are the rights of callers that have not said who they are.
type Anonymous struct {
	Read   []string `placeholder:"PATTERNS" derived:"none with tokens (JWT), -backend-connect or -backend-subscribe, else >" live:"" help:"comma-separated names and patterns of the topics that callers without a key or token may read; none for none, @> for all topics of users"`
	Write  []string `placeholder:"PATTERNS" derived:"none with any key, token or backend, else >,@>" live:"" help:"topics to which callers without a key or token may publish"`
	List   []string `placeholder:"PATTERNS" derived:"none with tokens (JWT), -backend-connect or -backend-subscribe, else >" live:"" help:"topics that callers without a key or token may list"`
	Manage []string `placeholder:"PATTERNS" derived:"none with any key, token or backend, else >,@>" live:"" help:"topics whose subscribers callers without a key or token may disconnect"`
}

// Users are the rights of users whom a trusted proxy names.
type Users struct {
	Read   []string `placeholder:"PATTERNS" derived:"as -anonymous-read" live:"" help:"topics that users whom a proxy names (-user-header) may read; {user} stands for the name of the user"`
	Write  []string `placeholder:"PATTERNS" derived:"as -anonymous-write" live:"" help:"topics to which users whom a proxy names may publish"`
	List   []string `placeholder:"PATTERNS" derived:"as -anonymous-list" live:"" help:"topics that users whom a proxy names may list"`
	Manage []string `placeholder:"PATTERNS" derived:"as -anonymous-manage" live:"" help:"topics whose subscribers users whom a proxy names may disconnect"`
}

// Key is a named key of the HTTP API. The secret comes from one of the two fields.
type Key struct {
	Name       string   `example:"\"billing\"" help:"name of the key, in logs"`
	SecretFile string   `placeholder:"FILE" example:"\"/etc/fanfare/billing\"" help:"file whose only word is the secret"`
	Secret     Secret   `secret:"" example:"\"...\"" help:"the secret itself; secret-file keeps it out of this file"`
	Read       []string `example:"[\"billing.>\"]" help:"patterns of the topics that its bearer may read"`
	Write      []string `example:"[\"billing.>\"]" help:"patterns of the topics to which its bearer may publish"`
	List       []string `example:"[]" help:"patterns of the topics that its bearer may list"`
	Manage     []string `example:"[]" help:"patterns of the topics whose subscribers its bearer may disconnect"`
}
