package main

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

// releaseStartCode gives back the code that the start has needed, or the initialization of packages, and a server with idle
// WebSockets does not need. What a program links would otherwise count as its memory: about 4 of 23 MB.
func releaseStartCode() {
	const here = "github.com/fanfare-ws/fanfare/cmd/fanfare/"
	daemon.ReleaseCode(
		// Configuration.
		"github.com/alecthomas/kong", "github.com/pelletier/go-toml", "regexp", "text/", "encoding/", "html", "flag", "os/exec", "mime", "go/",
		here+"config", here+"certs", here+"doctor", here+"top", here+"dashboard",
		// Metrics and profiles.
		"github.com/prometheus/", "google.golang.org/protobuf/", "expvar", "compress/", "runtime/pprof", "runtime/trace", "internal/profile",
		here+"metrics", here+"monitor",
		// Certificates, tokens and TLS.
		"github.com/caddyserver/", "github.com/mholt/acmez", "github.com/libdns", "github.com/miekg/dns", "go.uber.org/zap", "archive/",
		"github.com/klauspost/", "github.com/zeebo/", "golang.org/x/net/", "golang.org/x/text/", "golang.org/x/crypto/", "vendor/golang.org/x/",
		"github.com/MicahParks/", "github.com/golang-jwt/", "crypto/", "math/big",
		// HTTP beside handshakes.
		"net/http",
		// fanfare top.
		"charm.land/", "github.com/charmbracelet/", "github.com/muesli/", "github.com/lucasb-eyer/", "github.com/rivo/", "github.com/mattn/",
		"github.com/clipperhouse/", "github.com/xo/",
	)
}
