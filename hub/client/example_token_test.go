package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A server that identifies clients by tokens, and a client that gets a new one whenever that is
// necessary. A real token, such as a JWT, has a signature, which the server checks.
func Example_token() {
	server := new(wsproto.Server)
	topics := hub.New(hub.Options{Workers: wshub.Workers(server)})
	server.Accept = session.New(topics, session.Options{
		Authenticate: func(_ hub.Identity, token string) (hub.Identity, error) {
			user, ok := strings.CutPrefix(token, "token of ")
			if !ok {
				return hub.Identity{}, errors.New("the token is invalid")
			}
			return hub.Identity{User: user, Value: "news", Expires: time.Now().Add(time.Hour)}, nil
		},
		Authorize: func(m *hub.Member, do, topic string) error {
			if may, _ := m.Value().(string); topic != may {
				return fmt.Errorf("%s may only use %s", m.User(), may)
			}
			return nil
		},
	}).Accept
	addr, err := server.Listen("localhost:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Shutdown(context.Background()) }()

	ctx := context.Background()
	c, err := client.Dial(ctx, "ws://"+addr.String()+"/hub", &client.Options{
		Token: func(_ context.Context, why client.TokenReason) (string, error) {
			fmt.Println("a token is needed:", why) // from the program's login, for example
			return "token of ada", nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.Publish(ctx, "news", "hello", nil)
	fmt.Println(err)
	_, err = c.Publish(ctx, "secrets", "hello", nil)
	var refused *wire.Error
	fmt.Println(errors.As(err, &refused), refused.Code, refused.Message)
	// Output:
	// a token is needed: first
	// <nil>
	// true forbidden ada may only use news
}
