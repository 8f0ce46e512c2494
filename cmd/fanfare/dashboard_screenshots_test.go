package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// screenshotsVariable names a directory, such as docs/dashboard.
const screenshotsVariable = "FANFARE_SCREENSHOTS"

// TestDashboardScreenshots takes the screenshots of docs/dashboard.md: a server with load, slow consumers and an alert.
func TestDashboardScreenshots(t *testing.T) {
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		t.Skip("skipped without " + screenshotsVariable + "=DIR")
	}
	p := startChild(t, "-admin", "127.0.0.1:0", "-topic", "> history=20", "-topic", "room.> slow=drop-oldest limit=64KiB", "-topic", "video.> limit=128KiB")
	defer p.audience()()
	end := make(chan struct{})
	published := make(chan struct{})
	go func() {
		defer close(published)
		p.publishUntil(end)
	}()
	defer func() { close(end); <-published }()
	p.mutes(3, "/topics/room.video")
	for range 5 {
		p.mutes(4, "/topics/video.frames") // they are disconnected after a while
		time.Sleep(10 * time.Second)       // the charts show the last minutes: this is the time in which things happen
	}
	if !settles(func() bool { return len(p.state().Alerts) > 0 }) {
		t.Fatal("the page shows no alert")
	}
	b := script.Chromium(t)
	for _, shot := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 2150}, {"phone", 390, 2000}} {
		for _, scheme := range []string{"light", "dark"} {
			w := b.Window(t, shot.width, shot.height)
			if err := w.Prefer("prefers-color-scheme", scheme); err != nil {
				t.Fatal(err)
			}
			p.mutes(4, "/topics/video.frames") // so that some are slow now
			pg := p.visitDashboard(w, "")
			pg.until("the alert is shown", `return document.querySelector('.alert') && document.querySelector('.lists td')`)
			pg.until("rates are shown", `return document.querySelectorAll('.lists section')[1].querySelector('td.number')?.textContent > '0'`)
			saveScreenshot(t, w, filepath.Join(dir, shot.name+"-"+scheme+".png"))
		}
	}
}

// audience connects subscribers. They read what they get.
func (p *program) audience() (leave func()) {
	p.t.Helper()
	k := new(wsproto.Client)
	var all []*wsproto.Conn
	for i := range 1500 {
		topic := []string{"news", "sport.football", "room.lobby", "prices.eur.usd", "weather"}[i*i%5]
		if i%7 == 0 {
			topic = fmt.Sprintf("users.%03d.inbox", i%900)
		}
		c, err := k.Dial(p.t.Context(), "ws://"+p.addr+topicsPath+topic, &wsproto.Funcs{})
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, c)
	}
	return func() {
		for _, c := range all {
			c.Close(wsproto.GoingAway, "")
		}
	}
}

// publishUntil publishes to some topics more often than to others.
func (p *program) publishUntil(end <-chan struct{}) {
	small, large := strings.Repeat("x", 500), strings.Repeat("x", 64<<10)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		for topic, every := range map[string]int{"prices.eur.usd": 2, "room.lobby": 5, "news": 10, "sport.football": 50, "weather": 200, "room.video": 5, "video.frames": 5} {
			if n%every != 0 {
				continue
			}
			body := small
			if strings.Contains(topic, "video") {
				body = large
			}
			resp, err := http.Post("http://"+p.addr+topicsPath+topic, "text/plain", strings.NewReader(body))
			if err == nil {
				resp.Body.Close()
			}
		}
		if n%40 == 0 { // somebody without a handshake
			if nc, err := net.Dial("tcp", p.addr); err == nil {
				fmt.Fprintf(nc, "GET /nothing HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", p.addr)
				nc.Close()
			}
		}
	}
}

// mostScreenshot is the largest file of a screenshot.
const mostScreenshot = 150 << 10

func saveScreenshot(t *testing.T, b *script.Browser, name string) {
	t.Helper()
	raw, err := b.Screenshot()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced(img)); err != nil {
		t.Fatal(err)
	}
	if out.Len() > mostScreenshot {
		t.Errorf("%s has %d bytes", name, out.Len())
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reduced returns the image with its 256 most frequent colors, for a smaller file.
func reduced(img image.Image) *image.Paletted {
	count := make(map[color.RGBA]int)
	r := img.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var all []color.RGBA
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int { return cmp.Compare(count[b], count[a]) })
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := make(map[color.RGBA]uint8)
	out := image.NewPaletted(r, palette)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := at(x, y)
			i, known := index[c]
			if !known {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	return out
}
