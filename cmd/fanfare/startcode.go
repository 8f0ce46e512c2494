package main

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

// releaseStartCode gives back the code that the start has needed, and a server at work seldom does. What a program links, and
// initializes, would otherwise count as its memory: about 3 of 22 MB.
func releaseStartCode() {
	daemon.ReleaseCode(
		"github.com/alecthomas/kong", "github.com/pelletier/go-toml", "regexp", "text/template", "encoding/xml", "html", // configuration
		"github.com/prometheus/", "google.golang.org/protobuf/", "expvar", "compress/", // metrics
		"github.com/caddyserver/", "github.com/mholt/acmez", "github.com/libdns", "github.com/miekg/dns", "go.uber.org/zap",
		"github.com/klauspost/cpuid", "github.com/zeebo/", "golang.org/x/net/", "archive/", // certificates
		"github.com/MicahParks/", "math/big", "crypto/x509", "crypto/rsa", // tokens
		"charm.land/", "github.com/charmbracelet/", "github.com/muesli/", "github.com/lucasb-eyer/", "github.com/rivo/", "github.com/mattn/",
		"github.com/clipperhouse/", "github.com/xo/", "github.com/fanfare-ws/fanfare/cmd/fanfare/top", // fanfare top
		"net/http/pprof", "runtime/pprof", "runtime/trace", "internal/profile", "go/", "mime", "net/http.(*http2", "net/http.http2",
	)
}
