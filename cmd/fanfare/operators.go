package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/admin"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/dashboard"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/metrics"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/systemd"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// operators is the listener of -admin.
type operators struct {
	server *admin.Server    // nil if there is none
	at     *config.Listener // what the operator has said
	secure bool             // it speaks TLS
}

// admitOperators opens the listener of -admin, if there is one. It speaks TLS if other machines can connect and there is a certificate.
func (a *app) admitOperators(sockets systemd.Sockets) error {
	if a.cfg.Admin.Addr == "" {
		return nil
	}
	o := &a.operators
	all, err := resolve(&config.Listener{Addr: a.cfg.Admin.Addr}, sockets)
	if err != nil {
		return err
	}
	l := all[0]
	if len(all) > 1 {
		return fmt.Errorf("-admin is %s, for which systemd has passed %d sockets; it must be one", a.cfg.Admin.Addr, len(all))
	}
	o.at = l.Listener
	o.secure = a.cfg.Secure() && !o.at.Loopback()
	a.observe()
	var t *tls.Config
	if o.secure {
		t = a.server.TLSConfig
	}
	if l.socket != nil {
		o.server, err = admin.ListenOn(l.socket.File, t, a.operatorPages(), a.log)
	} else {
		o.server, err = admin.Listen(o.at.Addr, t, a.operatorPages(), a.log)
	}
	return daemon.ListenError(o.at.Addr, err)
}

func (o *operators) close() {
	if o.server != nil {
		o.server.Close()
	}
}

// listener returns what the greeting needs.
func (o *operators) listener() openListener {
	return openListener{Listener: o.at, at: o.server.Addr(), secure: o.secure}
}

// operatorPages returns the handler of requests of operators.
func (a *app) operatorPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, a.operatorHealth)
	mux.HandleFunc("GET "+readyPath, a.ready)
	mux.HandleFunc("GET "+statusPath, a.status)
	mux.Handle("GET "+metricsPath, metrics.Handler(a.watch.Snapshot))
	a.managing(mux)
	a.observing(mux)
	admin.Profiles(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.enterOperator(w, r, mux) })
}

// operatorHealth is GET /healthz for operators: the names of the alerts, how much memory is held, and how much the server shed and
// refused because of its limits (docs/limits.md).
func (a *app) operatorHealth(w http.ResponseWriter, _ *http.Request) {
	s := a.watch.Snapshot()
	status, alerts := a.healthStatus(), make([]string, len(s.Alerts))
	for i, alert := range s.Alerts {
		alerts[i] = alert.Name
	}
	if len(alerts) > 0 {
		status = "alert"
	}
	all := map[string]any{ // connections are those of the engine, which does not have those of operators
		"status": status, "alerts": alerts, "connections": a.server.Stats().Open, "topics": s.Topics.Open,
		"held": map[string]any{"pending": s.Engine.Held, "topics": s.Topics.Memory, "transfers": s.API.Held},
		"shed": map[string]any{
			"connections": s.Engine.Shed, "handshakes": s.Conns.TLS["shed"], "messages": s.Topics.Shed, "transfers": s.API.Shed,
		},
		"refused": s.Conns.Refusals,
	}
	a.events.addTo(all)
	a.answer(w, http.StatusOK, all)
}

// enterOperator handles every request of an operator. Cookies and the users of proxies do not count here: a page of another
// origin could send them.
func (a *app) enterOperator(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	protect(w.Header())
	v := &visit{ResponseWriter: w, transfer: a.transfers.begin(w, netpoll.OwnerOf(wsproto.ClientAddr(r, nil)))}
	v.caller.client = wsproto.ClientAddr(r, nil)
	defer v.transfer.end()
	v.caller.id, v.caller.refusal = a.access.Identify(a.access.Credentials(policy.Request(r, false)))
	if refusal := a.refuseOperator(r, v.caller); refusal != nil {
		a.refuse(v, refusal)
	} else if _, pattern := mux.Handler(r); pattern == "" {
		a.noSuch(v, r, mux)
	} else {
		mux.ServeHTTP(v, r)
	}
}

// refuseOperator returns why a request is refused, or nil.
func (a *app) refuseOperator(r *http.Request, c caller) *wsproto.Refusal {
	if refusal := a.checkName(r); refusal != nil {
		return refusal
	}
	if dashboard.IsPage(r) { // everybody may have it; what it shows needs a key
		return nil
	}
	if isForeign(r) {
		return wsproto.Refuse(http.StatusForbidden, "pages of other origins may not send requests to the listener of operators")
	}
	if r.URL.Path == healthPath || r.URL.Path == readyPath {
		return nil
	}
	if refusal := a.mayOperate(c); refusal != nil {
		return a.refusals.policy(refusal, fromClient(c.client)).Handshake()
	}
	return nil
}

// checkName returns a refusal unless the request is for a name of this server: see wsproto.Server.Hosts. The names of -origins
// do not count, unlike for clients: their pages have no business here.
func (a *app) checkName(r *http.Request) *wsproto.Refusal {
	s := wsproto.Server{Hosts: a.server.Limits().Hosts, Logger: slog.New(slog.DiscardHandler)}
	return s.CheckHost(r)
}

// isForeign reports whether a page of another origin sends the request.
func isForeign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "cross-site" || site == "same-site"
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// mayOperate returns a refusal unless the caller has a key for everything, or needs none. Without keys only this machine
// can connect: see config.Loaded.Inspect. That holds after a reload, too.
func (a *app) mayOperate(c caller) *policy.Refusal {
	kind := c.id.Kind
	switch {
	case c.refusal != nil:
		return c.refusal
	case !a.access.HasKeys() && a.operators.at.Loopback():
		return nil
	case kind != policy.Key && kind != policy.Token:
		return &policy.Refusal{
			Status: http.StatusUnauthorized, Code: policy.CodeUnauthenticated, Challenge: "Bearer",
			Reason: "this listener is for operators: it needs a key with the right to manage > and @>, as Authorization: Bearer KEY",
		}
	}
	for _, topic := range []string{">", "@>"} {
		if refusal := a.access.Authorize(c.id.Rights, policy.Manage, topic); refusal != nil {
			return refusal
		}
	}
	return nil
}
