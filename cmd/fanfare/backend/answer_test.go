package backend

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		hook Hook
		text string
		want reply
	}{
		{Connect, ok, reply{cache: -1}},
		{Connect, `{"ok":{"user":"ann", "read":["room/*"], "write":[], "list":["a"], "manage":["b","c"],
			"rate":{"messages":20, "bytes":65536}, "data":{"name": "Ann"}, "expires":1764507600.5}, "cache":60}`, reply{
			answer: Answer{
				User: "ann", Rights: Rights{[]string{"room/*"}, []string{}, []string{"a"}, []string{"b", "c"}},
				Rate: &rate.Limits{Messages: 20, Bytes: 65536}, Data: []byte(`{"name": "Ann"}`),
				Expires: time.Unix(1764507600, 5e8),
			}, cache: time.Minute,
		}},
		{Connect, `{"ok":{"user":null,"rate":null}, "error":null, "cache":1e300}`, reply{cache: year}},
		{Subscribe, `{"ok":{"expires":1}, "cache":0}`, reply{answer: Answer{Expires: time.Unix(1, 0)}}},
		{Publish, `{"ok":{"data":[1, 2]}}`, reply{answer: Answer{Replaced: &Message{JSON, []byte(`[1,2]`)}}, cache: -1}},
		{Publish, `{"ok":{"text":"hé"}}`, reply{answer: Answer{Replaced: &Message{Text, []byte("hé")}}, cache: -1}},
		{Publish, `{"ok":{"base64":"AQI="}}`, reply{answer: Answer{Replaced: &Message{Binary, []byte{1, 2}}}, cache: -1}},
		{Publish, `{"error":{}}`, reply{refusal: &Refusal{Code: 403}, cache: -1}},
		{Connect, `{"error":{"code":4403,"reason":"banned","retry":30},"cache":0.5}`, reply{refusal: &Refusal{4403, "banned", 30 * time.Second}, cache: time.Second / 2}},
		{Connect, `{"error":{"reason":"` + strings.Repeat("é", 100) + `"}}`, reply{refusal: &Refusal{Code: 403, Reason: strings.Repeat("é", 61)}, cache: -1}},
	} {
		got, err := c.hook.decode([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s:\n%+v, %v, want\n%+v", c.hook, c.text, got, err, c.want)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for _, c := range []struct {
		hook       Hook
		text, want string
	}{
		{Connect, ``, "expected an object"},
		{Connect, `[]`, "expected an object"},
		{Connect, `{"ok":{}} {}`, "expected"},
		{Connect, `{}`, `either "ok" or "error"`},
		{Connect, `{"ok":null}`, `either "ok" or "error"`},
		{Connect, `{"ok":{},"error":{}}`, `either "ok" or "error"`},
		{Connect, `{"ok":true}`, `"ok": `},
		{Connect, `{"ok":{"reads":["a"]}}`, `no member "reads"`},
		{Connect, `{"OK":{}}`, `no member "OK"`},
		{Connect, `{"ok":{"read":[],"read":["a"]}}`, `two members "read"`},
		{Connect, `{"ok":{"read":"a"}}`, `"read": `},
		{Connect, `{"ok":{"read":["a",1]}}`, `"read": `},
		{Connect, `{"ok":{"expires":"tomorrow"}}`, `"expires": `},
		{Connect, `{"ok":{"expires":0}}`, `a time in Unix seconds`},
		{Connect, `{"ok":{"expires":1e300}}`, `a time in Unix seconds`},
		{Connect, `{"ok":{"rate":{"messages":-1}}}`, "messages a second is -1"},
		{Connect, `{"ok":{"rate":{"bytes":-1}}}`, "or above"},
		{Connect, `{"ok":{"rate":5}}`, `"rate": `},
		{Connect, `{"ok":{},"cache":-1}`, "must not be negative"},
		{Connect, `{"ok":{"text":"a"}}`, `no member "text"`},
		{Subscribe, `{"ok":{"read":["a"]}}`, `no member "read"`},
		{Publish, `{"ok":{"expires":5}}`, `no member "expires"`},
		{Publish, `{"ok":{"data":1,"text":"a"}}`, "only one of"},
		{Publish, `{"ok":{"base64":"!"}}`, `"base64": `},
		{Connect, `{"error":{"code":200}}`, "it is 200; it must be"},
		{Connect, `{"error":{"code":1008}}`, "it is 1008"},
		{Connect, `{"error":{"code":403.5}}`, `"code": `},
		{Connect, `{"error":"no"}`, `"error": `},
		{Connect, `{"ok":{"data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}`, "nested too deeply"},
		{Connect, "{\"ok\":{\"user\":\"\xff\"}}", "UTF-8"},
	} {
		if _, err := c.hook.decode([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.hook, c.text, err, c.want)
		}
	}
}

// Whatever the server does, a call gets an answer, a refusal, or ErrDown.
func TestResponses(t *testing.T) {
	json := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, text)
		}
	}
	for name, c := range map[string]struct {
		f       http.HandlerFunc
		want    error
		failure int // in FailureNames; -1 if none
	}{
		"granted":     {json(200, ok), nil, -1},
		"refused":     {json(200, `{"error":{"code":404}}`), &Refusal{Code: 404}, -1},
		"status":      {json(403, `{"error":{"code":4001,"reason":"no"}}`), &Refusal{Code: 4001, Reason: "no"}, -1},
		"status only": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, &Refusal{Code: 401}, -1},
		"contradicts": {json(403, ok), &Refusal{Code: 403}, -1},
		"garbage":     {json(200, "<html>"), ErrDown, int(badAnswer)},
		"empty":       {json(200, ""), ErrDown, int(badAnswer)},
		"wrong type":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, ok) }, ErrDown, int(badAnswer)},
		"huge":        {json(200, `{"ok":{"data":"`+strings.Repeat("x", 2000)+`"}}`), ErrDown, int(badAnswer)},
		"endless":     {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, ErrDown, int(badAnswer)},
		"502":         {json(502, ok), ErrDown, int(badStatus)},
		"204":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ErrDown, int(badStatus)},
		"404":         {http.NotFound, &Refusal{Code: 404}, -1},
		"404 reason":  {json(404, `{"error":{"code":404,"reason":"no such room"}}`), &Refusal{Code: 404, Reason: "no such room"}, -1},
		"404 text":    {json(404, `{"error":"no such room"}`), &Refusal{Code: 404}, -1},
		"large 404":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, strings.Repeat("x", 4096), 404) }, &Refusal{Code: 404}, -1},
		"408":         {json(408, `{"error":{}}`), ErrDown, int(badStatus)},
		"429":         {json(429, `{"error":{}}`), ErrDown, int(badStatus)},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, ErrDown, int(badStatus)},
		"cut": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrDown, int(unreachable)},
		"cut in body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			answerWith(w, ok)
		}, ErrDown, int(unreachable)},
		"large header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, ErrDown, int(unreachable)},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			b := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); c.f(w, r) }), Options{MaxAnswer: 1000})
			_, err := b.Do(t.Context(), &Request{Hook: Connect})
			var refusal *Refusal
			if errors.As(err, &refusal) {
				if !reflect.DeepEqual(error(refusal), c.want) {
					t.Errorf("%+v, want %v", refusal, c.want)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			for i, n := range b.Stats(Connect).Failures {
				if (n != 0) != (i == c.failure) {
					t.Errorf("%d failures of kind %s", n, FailureNames[i])
				}
			}
			if calls.Load() == 0 {
				t.Error("no request")
			}
		})
	}
}

// endless sends JSON until the client has had enough.
func endless(w http.ResponseWriter) {
	answerWith(w, `{"ok":{"data":"`)
	for {
		if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
			return
		}
	}
}

func TestShorten(t *testing.T) {
	for s, want := range map[string]string{"abc": "abc", "abcdef": "abcd", "abcé": "abc", "\x80\x80\x80\x80\x80": ""} {
		if got := shorten(s, 4); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
