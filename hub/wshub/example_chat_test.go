package wshub_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// guest is a person in a room.
type guest struct {
	rooms *hub.Hub
	room  hub.Subscription
	name  string
}

func (g *guest) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	room := strings.TrimPrefix(r.Path(), "/")
	if _, err := g.rooms.Subscribe(room, &g.room, wshub.Subscriber(c), hub.SubscribeOptions{Encoding: wshub.Plain, Start: hub.Start{Last: 20}}); err != nil {
		c.Close(wsproto.PolicyViolation, err.Error())
		return
	}
	g.say(g.name + " has come")
}

func (g *guest) OnMessage(c *wsproto.Conn, op wsproto.Opcode, text []byte) {
	if op != wsproto.Text { // it need not be UTF-8, as what the others get must be
		c.Close(wsproto.UnsupportedData, "this is a chat: send text")
		return
	}
	g.say(fmt.Sprintf("%s: %s", g.name, text))
}

func (g *guest) OnClose(*wsproto.Conn, *wsproto.CloseError) {
	g.room.Unsubscribe()
	g.say(g.name + " has gone")
}

func (g *guest) say(text string) {
	_, _ = g.room.Publish(hub.Message{Data: []byte(text)})
}

// A chat: a client that connects to /ROOM?name=NAME gets the last messages of the room, and from
// then on all messages.
func Example_chat() {
	server := new(wsproto.Server)
	rooms := hub.New(hub.Options{
		Workers: wshub.Workers(server),
		Topic:   func(string) *hub.TopicOptions { return &hub.TopicOptions{History: hub.History{Messages: 100}} },
	})
	server.Accept = func(r *wsproto.Request) error {
		name := r.Query().Get("name")
		if name == "" {
			return wsproto.Refuse(http.StatusBadRequest, "say who you are: /ROOM?name=NAME")
		}
		r.Handler = &guest{rooms: rooms, name: name}
		return nil
	}
	addr, err := server.Listen("localhost:0") // or ListenAndServe, which blocks
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Shutdown(context.Background()) }()

	enter := func(name string, hears func(string)) (*wsproto.Conn, error) {
		return wsproto.Dial(context.Background(), "ws://"+addr.String()+"/lobby?name="+name, &wsproto.Funcs{
			Message: func(_ *wsproto.Conn, _ wsproto.Opcode, text []byte) { hears(string(text)) },
		})
	}
	heard := make(chan string, 10)
	ada, err := enter("Ada", func(text string) { heard <- text })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)
	bob, err := enter("Bob", func(string) {})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)
	ada.SendText("hello Bob")
	fmt.Println(<-heard)
	bob.SendText("hello Ada")
	fmt.Println(<-heard)
	bob.Close(wsproto.NormalClosure, "")
	fmt.Println(<-heard)
	// Output:
	// Ada has come
	// Bob has come
	// Ada: hello Bob
	// Bob: hello Ada
	// Bob has gone
}
