package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
)

// long is the number of messages in the room of the benchmarks.
const long = 1_000_000

var vocabulary = func() (words []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		word := make([]byte, 3+r.IntN(8))
		for i := range word {
			word[i] = byte('a' + r.IntN(26))
		}
		words = append(words, string(word))
	}
	return words
}()

// sentence has ten words, the frequent ones more often.
func sentence(r *rand.Rand) (text string) {
	for range 10 {
		x := r.Float64()
		text += vocabulary[int(x*x*x*float64(len(vocabulary)))] + " "
	}
	return text
}

// filled returns a store in a file with a room of n messages, and the duration of one of the last batches
// of 256.
func filled(b testing.TB, n int) (s *sqlstore.Store, room, user int64, batch time.Duration) {
	b.Helper()
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, filepath.Join(b.TempDir(), "db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	u, err := s.AddUser(ctx, store.User{Name: "u", Key: "u"})
	if err != nil {
		b.Fatal(err)
	}
	r, err := s.AddRoom(ctx, store.Room{Kind: store.Open, Name: "r", Key: "r", Owner: u.ID})
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	send := func(from, size int) {
		changes := make([]store.Change, size)
		for i := range changes {
			changes[i] = store.Change{Op: store.Send, Room: r.ID, User: u.ID, ClientID: fmt.Sprint(from + i), Text: sentence(random), At: time.UnixMilli(int64(from + i + 1))}
		}
		if _, err := s.Apply(ctx, changes); err != nil {
			b.Fatal(err)
		}
	}
	const last = 8 * 256
	for done := 0; done < n-last; {
		size := min(5000, n-last-done)
		send(done, size)
		done += size
	}
	begun := time.Now()
	for i := range 8 {
		send(n-last+i*256, 256)
	}
	return s, r.ID, u.ID, time.Since(begun) / 8
}

// BenchmarkHistory requests pages at random places among a million messages.
func BenchmarkHistory(b *testing.B) {
	begun := time.Now()
	s, room, user, batch := filled(b, long)
	b.Logf("filled in %v; a batch of 256 takes %v", time.Since(begun).Round(time.Second), batch)
	ctx := context.Background()
	pages := func(name string, page func() ([]store.Message, error)) {
		b.Run(name, func(b *testing.B) {
			slowest, rows := time.Duration(0), 0
			for b.Loop() {
				begun := time.Now()
				got, err := page()
				if err != nil {
					b.Fatal(err)
				}
				slowest, rows = max(slowest, time.Since(begun)), rows+len(got)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page")
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
			b.ReportMetric(float64(rows)/float64(b.N), "messages/page")
		})
	}
	pages("Before", func() ([]store.Message, error) {
		m, _, err := s.MessagesBefore(ctx, room, 51+rand.Int64N(long-50), 50)
		return m, err
	})
	pages("Changed", func() ([]store.Message, error) {
		m, _, err := s.MessagesChangedAfter(ctx, room, rand.Int64N(long-50), 50)
		return m, err
	})
	for name, query := range map[string]string{
		"SearchRare": vocabulary[19_000], "SearchFrequent": vocabulary[0], "SearchTwo": vocabulary[0] + " " + vocabulary[1],
		"SearchBeginning": "abc", "SearchLetter": "a",
	} {
		pages(name, func() ([]store.Message, error) {
			m, _, err := s.Search(ctx, room, query, 0, 50)
			return m, err
		})
	}
	pages("Edit", func() ([]store.Message, error) {
		o, err := s.Apply(ctx, []store.Change{{Op: store.Edit, Room: room, User: user, Number: 1 + rand.Int64N(long), Text: sentence(rand.New(rand.NewPCG(rand.Uint64(), 0))), At: time.Now()}})
		if err != nil {
			return nil, err
		}
		return []store.Message{o[0].Message}, o[0].Err
	})
}

// BenchmarkApply sends 256 messages in one transaction, the largest batch of the chat.
func BenchmarkApply(b *testing.B) {
	s, room, user, _ := filled(b, 10_000)
	random := rand.New(rand.NewPCG(5, 6))
	n := 0
	for b.Loop() {
		changes := make([]store.Change, 256)
		for i := range changes {
			n++
			changes[i] = store.Change{Op: store.Send, Room: room, User: user, ClientID: fmt.Sprint("more", n), Text: sentence(random), At: time.UnixMilli(1)}
		}
		if _, err := s.Apply(context.Background(), changes); err != nil {
			b.Fatal(err)
		}
	}
}
