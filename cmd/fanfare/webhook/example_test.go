package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
)

// A receiver checks the signature, and skips events that it has.
func Example() {
	secret := []byte("0123456789abcdef0123456789abcdef")

	var mu sync.Mutex
	last := make(map[string]uint64) // the last event of each run

	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
		id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		signed := slices.ContainsFunc(strings.Fields(r.Header.Get("Webhook-Signature")), func(s string) bool {
			return hmac.Equal([]byte(s), []byte(want))
		})
		seconds, _ := strconv.ParseInt(at, 10, 64)
		if err != nil || !signed || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
			http.Error(w, "the signature is not valid", http.StatusUnauthorized)
			return
		}
		var batch struct {
			Run    string
			Events []struct {
				Sequence                  uint64
				Type, Topic, Client, User string
			}
		}
		if err := json.Unmarshal(body, &batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range batch.Events {
			if e.Sequence > last[batch.Run] { // otherwise it has come before
				fmt.Println(e.Type, e.Topic)
				last[batch.Run] = e.Sequence
			}
		}
	}

	app := httptest.NewServer(http.HandlerFunc(receive))
	defer app.Close()
	w, err := webhook.New(webhook.Options{URLs: []string{app.URL}, Secrets: [][]byte{secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Occupied("room.1", true)
	w.Occupied("room.2", true)
	w.Occupied("room.1", false)
	w.Close(context.Background())
	// Output:
	// topic.occupied room.1
	// topic.occupied room.2
	// topic.vacated room.1
}
