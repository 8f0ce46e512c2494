package main

import (
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

const here = "github.com/fanfare-ws/fanfare/cmd/fanfare/"

// startCode are packages that the start needs, or whose initialization is part of it, and a server with idle WebSockets does not.
// What a program links would otherwise count as its memory: about 12 of 23 MB, with the tables that describe it.
var startCode = []string{
	// Configuration.
	"github.com/alecthomas/kong", "github.com/pelletier/go-toml", "regexp", "text/", "html", "flag", "os/exec", "mime", "go/",
	here + "config", here + "certs", here + "doctor", here + "top", here + "dashboard",
	// Metrics and profiles.
	"github.com/prometheus/", "google.golang.org/protobuf/", "expvar", "compress/", "runtime/pprof", "runtime/trace", "internal/profile",
	here + "metrics", here + "monitor",
	// Certificates.
	"github.com/caddyserver/", "github.com/mholt/acmez", "github.com/libdns", "github.com/miekg/dns", "go.uber.org/zap", "archive/",
	"github.com/klauspost/", "github.com/zeebo/", "golang.org/x/net/", "golang.org/x/text/", "golang.org/x/crypto/",
	// HTTP beside handshakes.
	"net/http",
	// fanfare top.
	"charm.land/", "github.com/charmbracelet/", "github.com/muesli/", "github.com/lucasb-eyer/", "github.com/rivo/", "github.com/mattn/",
	"github.com/clipperhouse/", "github.com/xo/",
}

// secretCode are packages that clients with tokens or TLS need.
var secretCode = []string{"encoding/", "crypto/", "math/big", "vendor/golang.org/x/", "github.com/MicahParks/", "github.com/golang-jwt/"}

// clusterCode are packages that nodes of a cluster need.
var clusterCode = []string{
	"github.com/nats-io/", "github.com/fanfare-ws/fanfare/hub/natsbroker", "github.com/fanfare-ws/fanfare/cmd/internal/cluster",
}

// releaseStartCode gives back the code that a server with that configuration does not need any more.
func releaseStartCode(c *config.Config) {
	cold := startCode
	if !c.Secure() && !c.Token.Configured() {
		cold = slices.Concat(cold, secretCode)
	}
	if !c.Linked() {
		cold = slices.Concat(cold, clusterCode)
	}
	daemon.ReleaseCode(cold...)
}
