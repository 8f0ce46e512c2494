package servers

import (
	"fmt"
	"net"

	"github.com/lxzan/gws"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Compressing is a server that echoes with permessage-deflate. It is in no table but that of the subcommand compression.
type Compressing struct {
	Library  string // fanfare or gws
	Level    int    // 0 for the library's default
	Bits     int    // of the window in which the server may refer to earlier bytes
	Takeover bool
}

// Name returns the name by which Find knows the server.
func (s Compressing) Name() string {
	return fmt.Sprintf("compressing/%s/%d/%d/%t", s.Library, s.Level, s.Bits, s.Takeover)
}

// findCompressing returns the server with that Name.
func findCompressing(name string) (Server, bool) {
	var c Compressing
	for _, c.Library = range []string{"fanfare", "gws"} {
		if n, _ := fmt.Sscanf(name, "compressing/"+c.Library+"/%d/%d/%t", &c.Level, &c.Bits, &c.Takeover); n == 3 {
			return Server{Name: name, About: "the server of the subcommand compression", Echo: c.serve}, true
		}
	}
	return Server{}, false
}

func (s Compressing) serve(addr string, ready func(net.Addr)) error {
	if s.Library == "gws" {
		return lxzanWith(gwsEcho{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
			Enabled: true, Level: s.Level, Threshold: 1, ServerMaxWindowBits: s.Bits,
			ServerContextTakeover: s.Takeover, ClientContextTakeover: s.Takeover,
		}})(addr, ready)
	}
	return fanfareServe(&wsproto.Server{Handler: fanfareEcho, Compression: &wsproto.Compression{
		Level: s.Level, Threshold: 1, WindowBits: s.Bits, Takeover: s.Takeover,
	}}, addr, ready)
}
