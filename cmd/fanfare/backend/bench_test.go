package backend

import (
	"net/http"
	"testing"
	"time"
)

func BenchmarkKeptAnswer(b *testing.B) {
	url := serve(b, func(w http.ResponseWriter, _ *http.Request) { answerWith(w, ok) })
	backend := start(b, url, Options{Connect: HookOptions{Cache: time.Hour}})
	r := &Request{Hook: Connect, User: "ann", Path: "/hub", Header: http.Header{"Cookie": {"session=0123456789abcdef"}}}
	if _, err := backend.Do(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		backend.Go(b.Context(), r, func(Answer, error) {})
	}
}

func BenchmarkCall(b *testing.B) {
	url := serve(b, func(w http.ResponseWriter, _ *http.Request) { answerWith(w, ok) })
	backend := start(b, url, Options{})
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := backend.Do(b.Context(), subscribe("ann", "a")); err != nil {
				b.Error(err)
			}
		}
	})
}
