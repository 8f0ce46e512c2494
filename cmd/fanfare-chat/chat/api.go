package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// httpHandler returns the handler of HTTP requests other than WebSocket handshakes.
func (c *Chat) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/signup", c.signUp)
	mux.HandleFunc("POST /api/login", c.logIn)
	mux.HandleFunc("POST /api/logout", c.withLogin(c.limited(c.logOut)))
	mux.HandleFunc("POST /api/password", c.withLogin(c.changePassword)) // not limited: it waits for a hash, and hardly for the store
	for pattern, h := range map[string]func(*call) error{
		"GET /api/me":                  c.me,
		"GET /api/rooms":               c.openRooms,
		"POST /api/rooms":              c.addRoom,
		"POST /api/rooms/{id}/join":    c.join,
		"POST /api/rooms/{id}/leave":   c.leaveRoom,
		"POST /api/rooms/{id}/invite":  c.invite,
		"POST /api/direct":             c.direct,
		"GET /api/rooms/{id}/members":  c.members,
		"GET /api/rooms/{id}/messages": c.messages,
		"GET /api/rooms/{id}/changes":  c.changes,
		"GET /api/rooms/{id}/search":   c.search,
		"POST /api/rooms/{id}/read":    c.read,
	} {
		mux.HandleFunc(pattern, c.withLogin(c.limited(h)))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "the API has no "+r.Method+" "+r.URL.Path)
	})
	mux.HandleFunc("GET /fanfare.js", session.Script)
	mux.HandleFunc("GET /healthz", c.health)
	mux.HandleFunc("GET /verify", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Hello World") })
	for _, path := range []string{hubPath, echoPath, roomsPath + "{id}"} {
		mux.HandleFunc("GET "+path, socketOnly)
	}
	if c.opts.Page != nil {
		mux.Handle("/", c.opts.Page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isSafe(r) && !c.fromOwnPage(r) {
			writeError(w, http.StatusForbidden, "requests from pages of another origin are refused")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// fromOwnPage reports whether a request comes from a page whose origin may connect, or from no page. A
// browser that sends no Origin may still send Sec-Fetch-Site, which shows requests of other pages.
func (c *Chat) fromOwnPage(r *http.Request) bool {
	if r.Header.Get("Origin") == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "none" || site == "same-origin"
	}
	return c.server.AllowsOrigin(r)
}

// isSafe reports whether a request has a safe method (RFC 9110, section 9.2.1).
func isSafe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// source describes the client that makes a request.
func (c *Chat) source(r *http.Request) account.Source {
	return account.Source{
		Addr:    wsproto.ClientAddr(r, c.opts.Proxies),
		Secure:  wsproto.Secure(r, c.opts.Proxies),
		Cookies: strings.Join(r.Header.Values("Cookie"), ";"),
	}
}

// call is a request of a user who is logged in. Its handler runs while it holds one of the places for
// using the store (limited), so it must not wait for anything else: the body has been read before, and
// the response, or the error that the handler returns, is written afterwards.
type call struct {
	w http.ResponseWriter
	*http.Request
	user  store.User
	login store.Login
	body  []byte

	status int // of the response
	value  any // the body of the response, encoded as JSON; nil: no body
}

// withLogin serves requests of users who are logged in.
func (c *Chat) withLogin(h func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		k := &call{w: w, Request: r}
		err := c.open(k)
		if err == nil {
			err = h(k)
		}
		switch {
		case err != nil:
			c.writeFailure(w, err)
		case k.value == nil:
			w.WriteHeader(k.status)
		default:
			writeJSON(w, k.status, k.value)
		}
	}
}

// open authenticates a request and reads its body.
func (c *Chat) open(k *call) (err error) {
	if k.login, k.user, err = c.accounts.Authenticate(k.Context(), c.source(k.Request)); err != nil {
		return err
	}
	if err := c.countRequest(k.user.ID); err != nil || k.Method != http.MethodPost {
		return err
	}
	k.body, err = readBody(k.w, k.Request)
	return err
}

// limited returns a handler that waits for the user's turn to use the store, and then calls h.
func (c *Chat) limited(h func(*call) error) func(*call) error {
	return func(k *call) error {
		release, err := c.calls.Acquire(k.Context(), k.user.ID)
		if errors.Is(err, fair.ErrOwnerLimit) || errors.Is(err, fair.ErrTotalLimit) {
			c.counters.refused.Add(1)
			return tooManyRequests(time.Second)
		}
		if err != nil {
			return err
		}
		defer release()
		return h(k)
	}
}

// apiError is an error with the status of its response.
type apiError struct {
	status int
	reason string
}

func (e *apiError) Error() string { return e.reason }

func errorf(status int, format string, args ...any) error {
	return &apiError{status, fmt.Sprintf(format, args...)}
}

// writeFailure responds with an error, unless it is nil.
func (c *Chat) writeFailure(w http.ResponseWriter, err error) {
	var (
		api     *apiError
		many    *account.TooManyError
		busy    *busyError
		invalid *account.InvalidError
	)
	switch {
	case err == nil:
	case errors.As(err, &api):
		writeError(w, api.status, api.reason)
	case errors.As(err, &many):
		c.counters.refused.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(many.Seconds()))
		writeError(w, http.StatusTooManyRequests, many.Error())
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(busy.seconds()))
		writeError(w, http.StatusTooManyRequests, busy.Error())
	case errors.As(err, &invalid):
		writeError(w, http.StatusBadRequest, invalid.Error())
	case errors.Is(err, account.ErrNoLogin), errors.Is(err, account.ErrCredentials):
		writeError(w, http.StatusUnauthorized, err.Error())
	case errors.Is(err, account.ErrConfusable), errors.Is(err, store.ErrConfusable):
		writeError(w, http.StatusConflict, account.ErrConfusable.Error()+"; choose another one")
	case errors.Is(err, account.ErrTaken), errors.Is(err, store.ErrTaken):
		writeError(w, http.StatusConflict, account.ErrTaken.Error())
	case errors.Is(err, store.ErrNotFound):
		writeError(w, http.StatusNotFound, "the room does not exist, or you are not a member")
	case errors.Is(err, store.ErrForbidden):
		writeError(w, http.StatusForbidden, "this is not permitted in this room")
	case errors.Is(err, context.Canceled):
		writeError(w, http.StatusServiceUnavailable, "the request was cancelled") // the client has gone
	default:
		c.opts.Logger.Error("the store has failed", "error", err)
		writeError(w, http.StatusServiceUnavailable, unavailable)
	}
}

// writeJSON responds with v in JSON. It encodes v before it sends the status, so that it can still
// fail.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		panic(err) // a bug: responses consist of numbers and strings
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // an error means that the client has gone
}

func writeError(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, map[string]string{"error": reason})
}

// answer sets the response of a call.
func (k *call) answer(status int, v any) error {
	k.status, k.value = status, v
	return nil
}

// done sets an empty response.
func (k *call) done() error {
	k.status = http.StatusNoContent
	return nil
}

// checkType refuses bodies that a form of another page could post.
func checkType(r *http.Request) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return errorf(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	return nil
}

const (
	maxBody  = 16 << 10
	bodyTime = 30 * time.Second // bounds how long a client can keep a partial body in memory
)

// readBody reads a JSON body, within limits of size and time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := checkType(r); err != nil {
		return nil, err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errorf(http.StatusRequestEntityTooLarge, "the body is too large: at most %d bytes are allowed", large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errorf(http.StatusRequestTimeout, "the body did not arrive within %v", bodyTime)
	case err != nil:
		return nil, errorf(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	return body, nil
}

// parseJSON decodes a JSON object into v.
func parseJSON(body []byte, v any) error {
	if err := strictjson.Unmarshal(body, v); err != nil {
		return errorf(http.StatusBadRequest, "the body is not valid: %v", err)
	}
	return nil
}

func (k *call) readJSON(v any) error { return parseJSON(k.body, v) }

// room returns the room in the path.
func (k *call) room() (int64, error) {
	id, err := strconv.ParseInt(k.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, errorf(http.StatusNotFound, "%q is not a room; the ID of a room is a positive integer", k.PathValue("id"))
	}
	return id, nil
}

// number returns a query parameter that is a non-negative integer, or otherwise if it is missing.
func (k *call) number(name string, otherwise int64) (int64, error) {
	s := k.URL.Query().Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errorf(http.StatusBadRequest, "%s is %q; it must be a non-negative integer", name, s)
	}
	return n, nil
}

// limit returns the query parameter "limit", or otherwise if it is missing. It is at most most.
func (k *call) limit(otherwise, most int64) (int, error) {
	n, err := k.number("limit", otherwise)
	if err == nil && n == 0 {
		err = errorf(http.StatusBadRequest, "limit is 0; it must be at least 1")
	}
	return int(min(n, most)), err
}

func (c *Chat) health(w http.ResponseWriter, _ *http.Request) {
	s, h := c.server.Stats(), c.hub.Stats()
	writeJSON(w, http.StatusOK, map[string]any{
		"status": "ok", "connections": s.Open, "topics": h.Topics, "uncommitted": c.commits.waiting(), "refused": c.counters.refused.Load(),
	})
}

func socketOnly(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	writeError(w, http.StatusUpgradeRequired, "this is a WebSocket endpoint; connect to it with ws:// or wss://")
}
