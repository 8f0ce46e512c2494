package hub

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func historyHub(m *manual, c *clock, o History) *Hub {
	return New(Options{Workers: m.on(1), Now: c.Now, Topic: func(string) *TopicOptions { return &TopicOptions{History: o} }})
}

// everything asks for all messages that are held.
var everything = Start{Last: 1 << 30}

func heldIn(t *testing.T, h *Hub, o Start, limit int) (offsets []uint64, at Position) {
	t.Helper()
	all, at, err := h.History("x", o, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Topic != "x" || !slices.Equal(numbers(&testForm{r.Data}), []uint64{r.Offset}) {
			t.Errorf("%s %d has %v", r.Topic, r.Offset, numbers(&testForm{r.Data}))
		}
		offsets = append(offsets, r.Offset)
	}
	return offsets, at
}

func TestHistoryIsBounded(t *testing.T) {
	for what, o := range map[string]History{
		"count": {Messages: 5}, "bytes": {Bytes: 6*numberCost - 1}, "both": {Messages: 5, Bytes: 1 << 20}, "bytes first": {Messages: 9, Bytes: 5 * numberCost},
	} {
		t.Run(what, func(t *testing.T) {
			m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
			h := historyHub(m, c, o)
			for n := uint64(1); n <= 3000; n++ {
				rc := publish(t, h, "x", n)
				if got, at := heldIn(t, h, everything, 1<<30); !slices.Equal(got, upTo(max(n, 5)-4, n)) || at != rc.Position {
					t.Fatalf("after %d: %v at %v", n, got, at)
				}
			}
			if got, _ := heldIn(t, h, everything, 2); !slices.Equal(got, []uint64{2996, 2997}) {
				t.Errorf("limited to 2: %v", got)
			}
			if got, _ := heldIn(t, h, Start{Last: 2}, 100); !slices.Equal(got, []uint64{2999, 3000}) {
				t.Errorf("the last 2: %v", got)
			}
			if ts, ok := h.Topic("x"); !ok || ts.Held != 5 || ts.Published != 3000 {
				t.Errorf("%+v", ts)
			}
		})
	}
}

func TestHistoryAges(t *testing.T) {
	m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
	h := historyHub(m, c, History{Messages: 100, Age: 10 * time.Second})
	var epoch uint64
	for n := uint64(1); n <= 20; n++ {
		epoch = publish(t, h, "x", n).Position.Epoch
		c.now = c.now.Add(time.Second)
	}
	all, _, _ := h.History("x", Start{Last: 1}, 1)
	if want := time.UnixMilli(1_019_000); !all[0].Time().Equal(want) {
		t.Errorf("the last is of %v, want %v", all[0].Time(), want)
	}
	// 20 is a second old; 12 nine, 11 ten, which is too old.
	if got, _ := heldIn(t, h, everything, 100); !slices.Equal(got, upTo(12, 20)) {
		t.Errorf("held are %v", got)
	}
	c.now = c.now.Add(5 * time.Second) // nobody has swept: it is too old all the same
	if got, _ := heldIn(t, h, everything, 100); !slices.Equal(got, upTo(17, 20)) {
		t.Errorf("held are %v", got)
	}
	f := new(fake)
	at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: everything})
	if err != nil || at != (Position{epoch, 16}) {
		t.Errorf("subscribed at %v, %v", at, err)
	}
	m.runAll()
	f.expect(t, upTo(17, 20)...)
	f.sub.Unsubscribe()

	c.now = c.now.Add(3 * time.Second)
	if h.sweep(); len(h.Topics()) != 1 {
		t.Fatal("the topic ended before its history")
	}
	c.now = c.now.Add(time.Second)
	if h.sweep(); len(h.Topics()) != 0 || len(h.aging) != 0 {
		t.Fatalf("%v, %d of which age, outlast their history", h.Topics(), len(h.aging))
	}
	if rc := publish(t, h, "x", 1); rc.Position.Epoch == epoch || rc.Position.Offset != 1 {
		t.Errorf("begun anew at %v, after epoch %d", rc.Position, epoch)
	}
}

// A subscriber that resumes gets exactly what it missed, or is told that its position is too old.
func TestResume(t *testing.T) {
	m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
	h := historyHub(m, c, History{Messages: 7})
	var last Position
	for n := uint64(1); n <= 20; n++ {
		last = publish(t, h, "x", n).Position
	}
	for after := range uint64(25) {
		asked := Position{last.Epoch, after}
		f := new(fake)
		at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &asked}})
		var old *TooOldError
		switch tooOld := after < 13 || after > 20; {
		case tooOld != errors.As(err, &old):
			t.Errorf("after %d: %v", after, err)
		case tooOld:
			if *old != (TooOldError{asked, Position{last.Epoch, 13}, last}) {
				t.Errorf("after %d: %+v", after, old)
			}
			if says := map[bool]string{true: "is ahead of the topic", false: "too old"}[after > 20]; !strings.Contains(err.Error(), says) {
				t.Errorf("after %d: %v", after, err)
			}
		default:
			if m.runAll(); at != asked {
				t.Errorf("after %d: begins at %v", after, at)
			}
			f.expect(t, upTo(after+1, 20)...)
			f.sub.Unsubscribe()
		}
		if _, _, err2 := h.History("x", Start{After: &asked}, 1); (err == nil) != (err2 == nil) {
			t.Errorf("after %d: history says %v", after, err2)
		}
	}
}

func TestResumeInAnotherEpoch(t *testing.T) {
	m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
	h := historyHub(m, c, History{Messages: 7})
	asked := Position{1, 5}
	check := func(oldest uint64) {
		t.Helper()
		f := new(fake)
		at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &asked}})
		var old *TooOldError
		if !errors.As(err, &old) || old.Oldest != (Position{at.Epoch, oldest}) || old.Latest != at || !strings.Contains(err.Error(), "begun anew") {
			t.Errorf("%v at %v", err, at)
		}
		if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw}); err != nil { // it has not been used
			t.Error(err)
		}
		f.sub.Unsubscribe()
	}
	check(0)
	if len(h.Topics()) != 0 {
		t.Error("a topic was made for one that was refused, and is still there")
	}
	for n := uint64(1); n <= 10; n++ {
		publish(t, h, "x", n)
	}
	check(3)
	if _, _, err := h.History("nobody.knows.it", Start{After: &asked}, 1); !errors.As(err, new(*TooOldError)) {
		t.Errorf("history after a position in a topic that is none: %v", err)
	}
	if all, _, err := h.History("nobody.knows.it", everything, 1); err != nil || all != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// Without history, a subscriber that has got everything can still resume.
func TestResumeWithoutHistory(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	(&fake{}).join(t, h, "x")
	publishAll(t, h, m, 1, 5)
	f := new(fake)
	f.resume(t, h, 5)
	publishAll(t, h, m, 6, 7)
	f.expect(t, 6, 7)
	ts, _ := h.Topic("x")
	if _, err := h.Subscribe("x", new(Subscription), f, SubscribeOptions{Encoding: raw, Start: Start{After: &Position{ts.Position.Epoch, 6}}}); !errors.As(err, new(*TooOldError)) {
		t.Errorf("one is missing, and the error is %v", err)
	}
	g := new(fake)
	if at, err := h.Subscribe("x", &g.sub, g, SubscribeOptions{Encoding: raw, Start: everything}); err != nil || at.Offset != 7 {
		t.Errorf("the last of no history: at %v, %v", at, err)
	}
}

func TestLast(t *testing.T) {
	m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
	h := historyHub(m, c, History{Messages: 7})
	for n := uint64(1); n <= 20; n++ {
		publish(t, h, "x", n)
	}
	for last, from := range map[int]uint64{0: 21, -1: 21, 1: 20, 3: 18, 7: 14, 8: 14, 1 << 40: 14} {
		f := new(fake)
		at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{Last: last}})
		if m.runAll(); err != nil || at.Offset != from-1 {
			t.Errorf("the last %d: at %v, %v", last, at, err)
		}
		f.expect(t, upTo(from, 20)...)
		f.sub.Unsubscribe()
	}
}

// The batches read for subscribers that resume are freed once they have been delivered.
func TestReplayedHistoryWeighsNoMore(t *testing.T) {
	m, c := new(manual), &clock{time.UnixMilli(1_000_000)}
	h := historyHub(m, c, History{Messages: 1000})
	f := new(fake).join(t, h, "x")
	publishAll(t, h, m, 1, 1000)
	g := new(fake)
	g.resume(t, h, 0)
	m.runAll()
	g.expect(t, upTo(1, 1000)...)
	h.sweep()
	l := &f.sub.shard.topic.log
	for i, s := range l.segs {
		if s.read != nil || l.run != nil {
			t.Errorf("segment %d keeps a batch, or the log %v", i, l.run != nil)
		}
	}
	if l.count != 1000 {
		t.Errorf("%d are held", l.count)
	}
}

// The history of a topic that conflates has only the latest message for each key.
func TestHistoryConflates(t *testing.T) {
	m := new(manual)
	h := slowHub(m, TopicOptions{Slow: Conflate, History: History{Messages: 100}})
	for n := uint64(1); n <= 1000; n++ {
		keyed(t, h, n)
	}
	if got, _ := heldIn(t, h, everything, 100); !slices.Equal(got, upTo(998, 1000)) {
		t.Errorf("held are %v", got)
	}
	f := new(fake)
	ts, _ := h.Topic("x")
	at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &Position{ts.Position.Epoch, 1}}})
	if m.runAll(); err != nil {
		t.Fatal(err)
	}
	f.expect(t, upTo(998, 1000)...)
	if n := uint64(f.sub.Dropped()); at.Offset+n+3 != 1000 {
		t.Errorf("began at %d, got 3 and lost %d of 1000", at.Offset, n)
	}
	g := &fake{}
	if _, err := h.Subscribe("x", &g.sub, g, SubscribeOptions{Encoding: raw, Start: Start{Last: 2}}); err != nil {
		t.Fatal(err)
	}
	m.runAll()
	g.expect(t, 999, 1000)
}

func TestPositionText(t *testing.T) {
	for _, p := range []Position{{}, {1, 2}, {1<<52 - 1, 1<<64 - 1}, {1<<64 - 1, 0}} {
		text, _ := p.MarshalText()
		var back Position
		if err := back.UnmarshalText(text); err != nil || back != p || string(text) != p.String() {
			t.Errorf("%v is %s, and back %v, %v", p, text, back, err)
		}
	}
	for _, s := range []string{"", ":", "1", "1:", ":1", "1:2:3", "1:-2", "1:x", "zzzzzzzzzzzzzzzz:1", "1 :2"} {
		if p, err := ParsePosition(s); err == nil || !strings.Contains(err.Error(), "EPOCH:OFFSET") {
			t.Errorf("%q is %v, %v", s, p, err)
		}
	}
}

// A message is wrapped once for all subscribers that want it wrapped, and not for others.
func TestWrapped(t *testing.T) {
	m, wraps := new(manual), 0
	h := New(Options{Workers: m.on(1)})
	wrapped := &testEncoding{record: func(r *Record) []byte {
		wraps++
		return number(1000 + r.Offset).Data
	}}
	p := new(fake).join(t, h, "x")
	var all [3]fake
	for i := range all {
		if _, err := h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{Encoding: wrapped}); err != nil {
			t.Fatal(err)
		}
	}
	publishAll(t, h, m, 1, 2)
	p.expect(t, 1, 2)
	for i := range all {
		all[i].expect(t, 1001, 1002)
	}
	if wraps != 2 {
		t.Errorf("wrapped %d times", wraps)
	}
}
