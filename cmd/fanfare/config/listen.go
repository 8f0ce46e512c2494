package config

// Listener is an address to listen on.
type Listener struct {
	Addr          string `placeholder:"ADDRESS" help:"host:port, :port, [IPv6]:port or unix:/path"`
	Mode          string `placeholder:"OCTAL" help:"permissions of a Unix socket in octal, such as 0660; by default those that the umask leaves"`
	TLS           *bool  `placeholder:"on|off" toml:"tls" help:"whether the listener speaks TLS; by default it does if there is a certificate"`
	ProxyProtocol bool   `help:"whether every connection must begin with a PROXY protocol header"`
}
