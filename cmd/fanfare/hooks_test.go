package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// application is an operator's program. It lets users with the cookie user=NAME connect, who may read news; it lets them
// subscribe to topics with their own name; and it lets them publish what does not contain "bad".
type application struct {
	*httptest.Server
	asked atomic.Int64
	hangs chan bool // if not nil, it answers when the test lets it
}

func newApplication(t *testing.T) *application {
	a := &application{}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *application) flags() []string {
	return []string{"-backend-connect", a.URL + "/connect", "-backend-subscribe", a.URL + "/subscribe", "-backend-publish", a.URL + "/publish"}
}

func (a *application) serve(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	if a.hangs != nil {
		<-a.hangs
	}
	var q struct {
		Hook, User, Topic string
		Headers           map[string]string
		Data              json.RawMessage
		Text              *string
	}
	b, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(b, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	said := string(q.Data)
	if q.Text != nil {
		said = *q.Text
	}
	user, _ := strings.CutPrefix(q.Headers["Cookie"], "user=")
	switch {
	case q.Hook == "connect" && user == "":
		fmt.Fprint(w, `{"error":{"code":401,"reason":"log in first"}}`)
	case q.Hook == "connect":
		fmt.Fprintf(w, `{"ok":{"user":%q,"read":["news"],"list":["news"],"data":{"name":%[1]q}}}`, user)
	case q.Hook == "subscribe" && !strings.HasSuffix(q.Topic, "."+q.User), strings.Contains(said, "bad"):
		fmt.Fprint(w, `{"error":{"code":4403,"reason":"not for you"}}`)
	case strings.Contains(said, "shout"):
		fmt.Fprint(w, `{"ok":{"data":"SHOUT"}}`)
	default:
		fmt.Fprint(w, `{"ok":{}}`)
	}
}

// The operator's program decides who connects, subscribes and publishes, at every entrance.
func TestHooks(t *testing.T) {
	app := newApplication(t)
	p := start(t, app.flags()...)
	for _, path := range []string{"/echo", "/topics/news", "/hub"} {
		if status, body := p.refused(path); status != http.StatusUnauthorized || !strings.Contains(body, "log in first") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	ada := http.Header{"Cookie": {"user=ada"}}
	c := p.join("/hub", ada)
	if c.hello.User != "ada" {
		t.Errorf("%+v", c.hello)
	}
	c.gets(`"do":"subscribe","topic":"news"`)
	c.gets(`"do":"subscribe","topic":"inbox.ada"`)
	c.fails(`"do":"subscribe","topic":"inbox.bob"`, wire.Forbidden, "not for you")
	c.fails(`"do":"publish","topic":"news","data":"bad"`, wire.Forbidden, "not for you")
	c.fails(`"do":"presence","topic":"other"`, wire.Forbidden, "list")

	plain, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/topics/inbox.ada", &websocket.DialOptions{HTTPHeader: ada})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.CloseNow()
	for i := range 20 { // the order is kept, although each message waits for the program
		c.send(c.Conn, fmt.Sprintf(`{"id":%d,"do":"publish","topic":"inbox.ada","data":%d}`, i+100, i))
	}
	for i := range 20 {
		p.wants(plain, websocket.MessageText, fmt.Sprint(i))
	}
	for range 20 {
		c.event()
	}
	for i := range 20 {
		p.send(plain, fmt.Sprint("p", i))
	}
	p.send(plain, "shout")
	for i := range 20 {
		c.wantsMessage("inbox.ada", uint64(21+i), wire.Text, fmt.Sprint("p", i))
	}
	c.wantsMessage("inbox.ada", 41, wire.JSON, `"SHOUT"`)
	p.send(plain, "bad")
	if _, _, err := plain.Read(p.ctx()); websocket.CloseStatus(err) != wire.CloseForbidden {
		t.Errorf("%v, want 4403", err)
	}
	if _, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/topics/inbox.bob", &websocket.DialOptions{HTTPHeader: ada}); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a topic of somebody else: %v", err)
	}
}

// The operator's program is not asked about a client whose token follows in a message.
func TestHooksAreNotAskedBeforeTheToken(t *testing.T) {
	app := newApplication(t)
	p := start(t, append(app.flags(), "-token-file", tokenFile(t))...)
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/hub?auth=message", &websocket.DialOptions{Subprotocols: []string{wire.Protocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	p.send(c, `{"id":1,"do":"auth","token":"secret"}`)
	if _, hello, err := c.Read(p.ctx()); err != nil || !strings.Contains(string(hello), `"hello"`) || app.asked.Load() != 0 {
		t.Errorf("%s %v; the program was asked %d times", hello, err, app.asked.Load())
	}
}
