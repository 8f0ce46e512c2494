package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestParseRequest(t *testing.T) {
	after := hub.Position{Epoch: 35, Offset: 7}
	for s, want := range map[string]Request{
		`{"id":1,"do":"ping"}`:  {ID: 1, Do: Ping},
		" \n{\"do\":\"ping\"} ": {Do: Ping},
		`{"id":9007199254740991,"do":"subscribe","topic":"a","after":"z:7","presence":true}`: {
			ID: maxID, Do: Subscribe, Topic: "a", After: &after, Presence: true},
		`{"do":"publish","topic":"a","data":null,"key":"k","echo":true,"who":{"knows":1}}`: {
			Do: Publish, Topic: "a", Data: json.RawMessage("null"), Key: "k", Echo: true},
		`{"do":"history","topic":"ä","last":5,"limit":2}`:                                     {Do: History, Topic: "ä", Last: 5, Limit: 2},
		`{"id":1.0,"do":"history","limit":5.0,"last":10e-1}`:                                  {ID: 1, Do: History, Limit: 5, Last: 1},
		`{"id":1e0,"do":"ping","topic":null,"last":null}`:                                     {ID: 1, Do: Ping},
		`{"id":1,"ID":2,"do":"ping","DO":"x","Topic":"b","top\u0069c":"a","to\u017fpic":"c"}`: {ID: 1, Do: Ping, Topic: "a"},
		`{"id":0,"do":5,"topic":"first","topic":"last","id":3,"do":"ping"}`:                   {ID: 3, Do: Ping, Topic: "last"},
		`{"do":"publish","data": [ 1 , "\ud800 " ]}`:                                          {Do: Publish, Data: json.RawMessage(`[1,"\ud800 "]`)},
		`{"id":2,"do":"auth","token":"a.b"}`:                                                  {ID: 2, Do: Auth, Token: "a.b"},
		`{"id":2,"do":"dance"}`:                                                               {ID: 2, Do: "dance"}, // the server refuses it
	} {
		if got, err := ParseRequest([]byte(s)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", s, got, err, want)
		}
	}
}

func TestErrorsOfRequests(t *testing.T) {
	for _, s := range []string{"", " ", "null", "3", `"x"`, `[{"id":1}]`, "{", `{"id":1}{}`, `{"id":1,}`, "\xff"} {
		if _, err := ParseRequest([]byte(s)); !errors.Is(err, ErrNoObject) {
			t.Errorf("%q: %v, want ErrNoObject", s, err)
		}
	}
	for s, want := range map[string]struct {
		id   uint64
		says string
	}{
		`{"id":0,"do":"ping"}`:                                                   {0, "from 1 to 9007199254740991"},
		`{"id":-1,"do":"ping"}`:                                                  {0, "from 1"},
		`{"id":9007199254740992,"do":"ping"}`:                                    {0, "from 1"},
		`{"id":1.5,"do":"ping"}`:                                                 {0, `"id"`},
		`{"id":"1","do":"ping"}`:                                                 {0, "an integer"},
		`{"id":5}`:                                                               {5, `"do" is missing`},
		`{"do":7,"id":5}`:                                                        {5, `"do" is 7; it must be a string`},
		`{"do":"subscribe","topic":["a"],"id":5}`:                                {5, `"topic" is a JSON array`},
		`{"do":"subscribe","after":"z","id":5}`:                                  {5, "EPOCH:OFFSET"},
		`{"do":"subscribe","after":7,"id":5}`:                                    {5, `"after"`},
		`{"do":"subscribe","last":-1,"id":5}`:                                    {5, `"last" is -1; it must be a non-negative integer`},
		`{"do":"history","limit":"5","id":5}`:                                    {5, "a non-negative integer"},
		`{"do":"subscribe","last":1,"after":"a:1","id":5}`:                       {5, "exclude each other"},
		`{"do":"subscribe","topic":"a\ud800","id":5}`:                            {5, "surrogate"},
		`{"do":"publish","key":"\udfff","id":5}`:                                 {5, `"key" has a lone surrogate`},
		`{"do":"publish","data":` + nested(65) + `,"id":5}`:                      {5, "nested too deep"},
		`{"id":5,"data":` + nested(20_000) + `,"do":7}`:                          {5, "nested too deep"},
		`{"do":"auth","id":5}`:                                                   {5, `there is no "token"`},
		`{"do":"auth","id":5,"token":"` + strings.Repeat("x", MaxToken+1) + `"}`: {5, "8193 bytes"},
		`{"do":"auth","id":5,"token":["secret"]}`:                                {5, `"token" is not a string`},
		`{"do":"subscribe","presence":1,"id":5}`:                                 {5, "true or false"},
		`{"do":"publish","key":"` + strings.Repeat("k", 256) + `","id":5}`:       {5, "256 bytes"},
	} {
		r, err := ParseRequest([]byte(s))
		var e *Error
		if !errors.As(err, &e) || e.Code != BadRequest || !strings.Contains(e.Message, want.says) || r.ID != want.id {
			t.Errorf("%s: id %d, %v, want %d and %q", s, r.ID, err, want.id, want.says)
		}
	}
}

// Each event has the documented form, and parses to itself.
func TestEventRoundTrip(t *testing.T) {
	at, n := hub.Position{Epoch: 1 << 51, Offset: 3}, 0
	people := []Person{{ID: "ada", Data: json.RawMessage(`{"x":"<&>"}`)}, {ID: "1z", Anonymous: true}}
	m := Message{Topic: "a", Offset: 1, Time: 2, Kind: Text, Payload: []byte("x")}
	for want, e := range map[string]Event{
		`{"hello":{"protocol":"fanfare.v1","client":"c","user":"u"}}`:  {Hello: &Hello{Protocol: Protocol, Client: "c", User: "u"}},
		`{"hello":{"protocol":"fanfare.v1","client":"c","expires":5}}`: {Hello: &Hello{Protocol: Protocol, Client: "c", Expires: 5}},
		`{"id":1,"ok":{"expires":60000}}`:                              {Reply: &Reply{ID: 1, OK: &Result{Expires: 60000}}},
		`{"id":1,"error":{"code":"rate-limited","message":"too many requests; try again in 1.5s","retry":1500}}`: {
			Reply: &Reply{ID: 1, Error: Limited(1500 * time.Millisecond)}},
		`{"id":1,"ok":{}}`: {Reply: &Reply{ID: 1, OK: new(Result)}},
		`{"id":1,"ok":{"topic":"a","position":"` + at.String() + `","receivers":0}}`: {
			Reply: &Reply{ID: 1, OK: &Result{Topic: "a", Position: &at, Receivers: &n}}},
		`{"id":1,"ok":{"messages":[{"topic":"a","offset":1,"time":2,"text":"x"}],"more":true,"present":[]}}`: {
			Reply: &Reply{ID: 1, OK: &Result{Messages: &[]Message{m}, More: true, Present: &[]Person{}}}},
		`{"error":{"code":"too-old","message":"<","oldest":"` + at.String() + `"}}`: {
			Reply: &Reply{Error: &Error{Code: TooOld, Message: "<", Oldest: &at}}},
		`{"presence":"a","joined":[{"id":"ada","data":{"x":"<&>"}},{"id":"1z","anonymous":true}]}`: {
			Change: &Change{Topic: "a", Joined: people}},
		`{"dropped":"a","messages":7}`:                 {Dropped: &Dropped{"a", 7}},
		`{"end":"a","code":1001,"reason":"r"}`:         {End: &End{"a", 1001, "r"}},
		`{"topic":"a","offset":1,"time":2,"text":"x"}`: {Message: &m},
	} {
		b, err := e.append()
		if err != nil || string(b) != want {
			t.Errorf("%s, %v, want %s", b, err, want)
		}
		if got, err := ParseEvent(b); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	for s, want := range map[string]error{`{"later":1}`: ErrNoEvent, `{"topic":"a"}`: nil, "[]": nil, "": nil} {
		if _, err := ParseEvent([]byte(s)); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// append appends the event that e has.
func (e *Event) append() ([]byte, error) {
	switch {
	case e.Reply != nil:
		return e.Reply.Append(nil)
	case e.Hello != nil:
		return e.Hello.Append(nil)
	case e.Message != nil:
		return e.Message.Append(nil), nil
	case e.Change != nil:
		return e.Change.Append(nil)
	case e.Dropped != nil:
		return e.Dropped.Append(nil)
	case e.End != nil:
		return e.End.Append(nil)
	}
	return nil, ErrNoEvent
}

func TestMessage(t *testing.T) {
	for want, m := range map[string]Message{
		`{"topic":"a","offset":1,"time":2,"data":{"a":[1,"b c"]}}`: {Topic: "a", Offset: 1, Time: 2, Payload: []byte(` { "a" : [1,` + "\n\t" + `"b c"] } `)},
		`{"topic":"a","offset":1,"time":2,"key":"k\"","data":5}`:   {Topic: "a", Offset: 1, Time: 2, Key: `k"`, Payload: []byte("5")},
		`{"topic":"ä","offset":1,"time":2,"text":"\"\\\n\r\t\u0000\u001f` + "\x7f\u2028🎺" + `"}`: {
			Topic: "ä", Offset: 1, Time: 2, Kind: Text, Payload: []byte("\"\\\n\r\t\x00\x1f\x7f\u2028🎺")},
		`{"topic":"a","offset":18446744073709551615,"time":-1,"base64":"AP8="}`: {
			Topic: "a", Offset: 1<<64 - 1, Time: -1, Kind: Binary, Payload: []byte{0, 255}},
		`{"topic":"a","offset":1,"time":2,"text":""}`:   {Topic: "a", Offset: 1, Time: 2, Kind: Text, Payload: []byte{}},
		`{"topic":"a","offset":1,"time":2,"base64":""}`: {Topic: "a", Offset: 1, Time: 2, Kind: Binary, Payload: []byte{}},
	} {
		b := m.Append([]byte("before "))
		if string(b) != "before "+want {
			t.Errorf("%s\nwant %s", b, want)
		}
		var back Message
		if err := json.Unmarshal([]byte(want), &back); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if m.Kind == JSON {
			m.Payload = compact(t, m.Payload)
		}
		if !reflect.DeepEqual(back, m) {
			t.Errorf("%s: %+v, want %+v", want, back, m)
		}
	}
}

func compact(t testing.TB, b []byte) []byte {
	var w bytes.Buffer
	if err := json.Compact(&w, b); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// No message is much longer than twice its payload, whatever the payload: MaxEvent relies on it.
func TestMessagesDoNotGrow(t *testing.T) {
	for _, payload := range []string{strings.Repeat("\x01", 1e5), strings.Repeat("\n", 1e5), strings.Repeat(`"`, 1e5), strings.Repeat("ü", 1e5)} {
		for _, kind := range []Kind{Text, Binary} {
			m := Message{Topic: "a", Kind: kind, Payload: []byte(payload)}
			b := m.Append(nil)
			if most := 2*len(payload) + 2*maxHead; len(b) > most || !json.Valid(b) {
				t.Errorf("%d bytes of %.4q became %d", len(payload), payload, len(b))
			}
			var back Message
			if err := json.Unmarshal(b, &back); err != nil || string(back.Payload) != payload {
				t.Errorf("%.4q came back as %.20q", payload, back.Payload)
			}
		}
	}
}

// Another JSON parser decodes a message to the payload that was published.
func FuzzMessage(f *testing.F) {
	f.Add("news", "key", []byte(`{"a":1}`), uint8(0))
	f.Add("ä.\u2028", "", []byte("\x00\"\\\xf0\x9f\x8e\xba\xff"), uint8(1))
	f.Add("a", "\x1f", []byte("\xff\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, topic, key string, payload []byte, kind uint8) {
		m := Message{Topic: topic, Offset: 1, Key: key, Kind: Kind(kind % 3), Payload: payload}
		if m.Kind == JSON && !json.Valid(payload) || m.Kind == Text && !utf8.Valid(payload) || !utf8.ValidString(topic) || !utf8.ValidString(key) {
			return
		}
		b := m.Append(nil)
		var back struct {
			Topic, Key string
			Data       json.RawMessage
			Text       *string
			Base64     []byte
		}
		if err := json.Unmarshal(b, &back); err != nil || back.Topic != topic || back.Key != key {
			t.Fatalf("%s: %v", b, err)
		}
		var got []byte
		switch {
		case back.Data != nil:
			got, payload = compact(t, back.Data), compact(t, payload)
		case back.Text != nil:
			got = []byte(*back.Text)
		default:
			got = back.Base64
		}
		if !bytes.Equal(got, payload) {
			t.Fatalf("%q became %q in %s", payload, got, b)
		}
	})
}

// ParseRequest either returns an error that a client can be sent, or a request that stays the
// same when it is encoded and parsed again.
func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{`{"id":1,"do":"subscribe","topic":"a","after":"z:7"}`, `{"id":0}`, `{"do":5,"id":6}`, "[]", `{"do":"publish","data":[{}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		var e *Error
		switch {
		case errors.Is(err, ErrNoObject):
			if len(b) > 0 && b[0] == '{' && json.Valid(b) && utf8.Valid(b) {
				t.Fatal("an object is refused as no object")
			}
			return
		case errors.As(err, &e):
			if e.Message == "" || r.ID > maxID {
				t.Fatalf("id %d, %+v", r.ID, e)
			}
			return
		case err != nil:
			t.Fatalf("the error has the wrong type: %v", err)
		}
		again, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRequest(again)
		if r.Data != nil {
			r.Data, back.Data = compact(t, r.Data), compact(t, back.Data)
		}
		if err != nil || !reflect.DeepEqual(r, back) {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
	})
}

// ParseEvent accepts any input, and an event that it has parsed can be encoded and parsed again.
func FuzzParseEvent(f *testing.F) {
	for _, s := range []string{
		`{"hello":{}}`, `{"id":1,"ok":{"messages":[{"topic":"a","text":""}]}}`, `{"topic":"a","base64":"AA=="}`,
		`{"presence":"a","joined":[{}]}`, `{"error":{}}`, `{"end":"a"}`, `{"dropped":"a"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvent(b)
		if err != nil {
			return
		}
		again, err := e.append()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if _, err := ParseEvent(again); err != nil {
			t.Fatalf("%s became %s: %v", b, again, err)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	m := Message{Topic: "prices.eur", Offset: 123456, Time: 1764000000000, Payload: []byte(`{"bid":1.0841,"ask":1.0843,"venue":"` + strings.Repeat("x", 90) + `"}`)}
	buf := make([]byte, 0, m.Size())
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkParseRequest(b *testing.B) {
	p := []byte(`{"id":12,"do":"publish","topic":"prices.eur","data":{"bid":1.0841,"ask":1.0843,"venue":"` + strings.Repeat("x", 90) + `"},"echo":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEvent(b *testing.B) {
	p := []byte(`{"topic":"prices.eur","offset":123456,"time":1764000000000,"data":{"bid":1.0841,"ask":1.0843,"venue":"` + strings.Repeat("x", 90) + `"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(p); err != nil {
			b.Fatal(err)
		}
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// Data at the depth limit can be parsed in the deepest envelope.
func TestDepth(t *testing.T) {
	r, err := ParseRequest([]byte(`{"id":1,"do":"publish","data":` + nested(MaxDepth) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckJSON(r.Data); err != nil {
		t.Error(err)
	}
	if err := CheckJSON([]byte(nested(MaxDepth + 1))); err == nil {
		t.Error("CheckJSON accepts one level more than MaxDepth")
	}
	b, err := (&Reply{ID: 1, OK: &Result{Messages: &[]Message{{Topic: "a", Payload: r.Data}}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ParseEvent(b); err != nil || string((*e.Reply.OK.Messages)[0].Payload) != nested(MaxDepth) {
		t.Errorf("%s: %v", b, err)
	}
}
