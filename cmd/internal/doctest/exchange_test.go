package doctest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestExchanges plays the dialogues of fanfare.v1 in documents with a server: it sends each line of a client, and expects each
// line of a server.
func TestExchanges(t *testing.T) {
	found := 0
	for _, b := range collect(t, func(string) bool { return true }) {
		if b.lang != "exchange" {
			continue
		}
		found++
		t.Run(b.name(), func(t *testing.T) { newExchange(t).play(b) })
	}
	if found < 2 {
		t.Errorf("%d exchanges are found", found)
	}
}

// peer is a client of fanfare.v1.
type peer struct {
	t *testing.T
	c *websocket.Conn
}

func dial(t *testing.T, url string) peer {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"fanfare.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	p := peer{t, c}
	p.read() // the hello
	return p
}

func (p peer) send(line string) {
	p.t.Helper()
	if err := p.c.Write(p.t.Context(), websocket.MessageText, []byte(line)); err != nil {
		p.t.Fatal(err)
	}
}

func (p peer) read() (line string) {
	p.t.Helper()
	_, b, err := p.c.Read(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// exchange has a server with the topic news, to which 12 messages were published, the client in the document, and another
// client, which subscribes and publishes.
type exchange struct {
	t             *testing.T
	client, other peer
	epoch         string
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	server := new(wsproto.Server)
	h := hub.New(hub.Options{
		Workers: wshub.Workers(server),
		Topic: func(string) *hub.TopicOptions {
			return &hub.TopicOptions{History: hub.History{Messages: 100}, Presence: true}
		},
	})
	server.Accept = session.New(h, session.Options{}).Accept
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	url := "ws://" + addr.String() + "/hub"
	x := &exchange{t: t, client: dial(t, url), other: dial(t, url)}
	x.other.send(`{"id":1,"do":"subscribe","topic":"news"}`)
	x.epoch, _, _ = strings.Cut(regexp.MustCompile(`"position":"([^"]+)"`).FindStringSubmatch(x.other.read())[1], ":")
	for i := range 12 {
		x.publish(fmt.Sprint(i))
	}
	return x
}

func (x *exchange) publish(data string) {
	x.t.Helper()
	x.other.send(`{"id":2,"do":"publish","topic":"news","data":` + data + `}`)
	if reply := x.other.read(); !strings.Contains(reply, `"ok"`) {
		x.t.Fatal(reply)
	}
}

// play sends and expects the lines of b. The other client publishes the messages that the document shows.
func (x *exchange) play(b block) {
	for _, line := range b.lines() {
		said, says := strings.CutPrefix(line, "-> ")
		if says {
			x.client.send(strings.ReplaceAll(said, "4x7k:", x.epoch+":"))
			continue
		}
		want := strings.TrimPrefix(line, "<- ")
		var message struct {
			Topic string
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(want), &message); err != nil {
			x.t.Fatalf("%v: %s: %v", b, want, err)
		}
		if message.Topic == "news" && message.Data != nil {
			x.publish(string(message.Data))
		}
		if got := strings.ReplaceAll(x.client.read(), x.epoch+":", "4x7k:"); !same(got, want) {
			x.t.Errorf("%v shows %s\nand this comes: %s", b, want, got)
		}
	}
}

// same reports whether two lines of JSON are equal except for their times.
func same(a, b string) bool {
	times := regexp.MustCompile(`"time":\d+`)
	var x, y any
	ok := json.Unmarshal([]byte(times.ReplaceAllString(a, `"time":0`)), &x) == nil &&
		json.Unmarshal([]byte(times.ReplaceAllString(b, `"time":0`)), &y) == nil
	return ok && reflect.DeepEqual(x, y)
}
