package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
)

// userOf returns the user of a session of the application, or "".
func userOf(cookies string) string {
	user, _ := strings.CutPrefix(cookies, "session=of-")
	return user
}

func decide(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Hook, User, Topic string
		Headers           map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	user := userOf(q.Headers["Cookie"])
	switch {
	case q.Hook == "connect" && user == "":
		fmt.Fprint(w, `{"error":{"code":401,"reason":"log in first"}}`)
	case q.Hook == "connect":
		fmt.Fprintf(w, `{"ok":{"user":%q,"read":["news.>","inbox.{user}"],"list":["news.>"]}}`, user)
	case q.Hook == "subscribe" && strings.HasPrefix(q.Topic, "room."): // a lookup in the application's database
		fmt.Fprint(w, `{"ok":{},"cache":60}`)
	case q.Hook == "publish" && strings.HasPrefix(q.Topic, "room."):
		fmt.Fprint(w, `{"ok":{}}`)
	default:
		fmt.Fprint(w, `{"error":{"code":403,"reason":"not for you"}}`)
	}
}

// The application that docs/access.md shows gives answers that the server takes.
func Example_backend() {
	app := httptest.NewServer(http.HandlerFunc(decide))
	defer app.Close()
	hook := backend.HookOptions{URL: app.URL}
	b, err := backend.New(backend.Options{Connect: hook, Subscribe: hook, Publish: hook})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close(context.Background())
	for _, r := range []backend.Request{
		{Hook: backend.Connect},
		{Hook: backend.Connect, Header: http.Header{"Cookie": {"session=of-ada"}}},
		{Hook: backend.Subscribe, User: "ada", Topic: "room.1"},
		{Hook: backend.Publish, User: "ada", Topic: "news.eu", Message: backend.Message{Form: backend.Text, Data: []byte("hi")}},
	} {
		answer, err := b.Do(context.Background(), &r)
		fmt.Println(r.Hook, answer.User, answer.Read, err)
	}
	// Output:
	// connect  [] log in first
	// connect ada [news.> inbox.{user}] <nil>
	// subscribe  [] <nil>
	// publish  [] not for you
}
