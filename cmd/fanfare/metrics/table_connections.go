package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var connectionMetrics = []Metric{
	{
		Name: "fanfare_connections", Type: Gauge,
		Help:   "Open connections: WebSockets, HTTP, and those that have sent nothing yet.",
		Worry:  "it comes near fanfare_connections_limit",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.Open }),
	},
	{
		Name: "fanfare_connections_limit", Type: Gauge,
		Help:   "The largest number of connections: -max-conns, or what the limit of open files allows.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.Limit }),
	},
	{
		Name: "fanfare_websockets", Type: Gauge,
		Help:   "Open WebSockets.",
		Worry:  "it falls suddenly",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.WebSockets }),
	},
	{
		Name: "fanfare_connections_accepted_total", Type: Counter,
		Help:   "Connections that listeners have accepted.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.Accepted }),
	},
	{
		Name: "fanfare_handshakes_total", Type: Counter, Labels: []Label{{"outcome", "aborted, opened, refused, timed_out"}},
		Help:   "Handshakes of WebSockets, by outcome. An aborted one has ended before its header was complete.",
		Worry:  "refused, timed_out or aborted ones become a large part",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Conns.Outcomes }),
	},
	{
		Name: "fanfare_handshakes_running", Type: Gauge,
		Help:   "Handshakes of WebSockets that wait for a decision, such as that of the backend.",
		Worry:  "it comes near -max-handshakes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.Handshakes }),
	},
	{
		Name: "fanfare_tls_handshakes_total", Type: Counter, Labels: []Label{{"outcome", "done, failed, shed, timed_out"}},
		Help:   "TLS handshakes of clients, by outcome. One that was shed had to give way to others.",
		Worry:  "failed ones become many: clients may not accept the certificate",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Conns.TLS }),
	},
	{
		Name: "fanfare_tls_handshakes_running", Type: Gauge,
		Help:   "TLS handshakes that are under way.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.TLSRunning }),
	},
	{
		Name: "fanfare_tls_handshakes_waiting", Type: Gauge,
		Help:   "TLS handshakes that wait, because -max-tls-handshakes are under way.",
		Worry:  "it stays above 0: clients connect faster than the processor can do handshakes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.TLSWaiting }),
	},
	{
		Name: "fanfare_refusals_total", Type: Counter,
		Labels: []Label{{"reason", "address, backend, backend_answer, closing, conn_rate, full, handshake_rate, handshakes, preamble, right, token, topic_rate, user, user_rate"}},
		Help:   "Connections, handshakes, requests and messages that were refused because of a limit, a right or the backend, by reason.",
		Worry:  "full, handshakes or handshake_rate grow: the server is at a limit and refuses everybody",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Conns.Refusals }),
	},
	{
		Name: "fanfare_refused_requests_total", Type: Counter, Labels: []Label{{Name: "status"}},
		Help:   "Requests and handshakes that the server has refused before the endpoint saw them, or the endpoint of a WebSocket, by HTTP status.",
		Worry:  "5xx grow",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Conns.Statuses }),
	},
	{
		Name: "fanfare_closes_total", Type: Counter, Labels: []Label{{Name: "code"}, {"by", "client, server, none"}},
		Help: "WebSockets that have ended, by close code, and by the side that began to close; none if the connection ended without a close frame (1006). A code of the server counts once its frame is queued, also if it never reaches the client. " +
			"All codes of libraries are 3xxx, and those of applications 4xxx, apart from those of this server, 4400 to 4499.",
		Worry:  "1006, 1009, 1011 or 1013 grow",
		values: closes,
	},
	{
		Name: "fanfare_abnormal_closes_total", Type: Counter, Labels: []Label{{"cause", "ended, lost, other, pong_timeout, shed, slow"}},
		Help: "WebSockets that have ended without a close frame, by cause: ended by the client, lost by the network, cut since no answer to a ping came, " +
			"since the client read too slowly or memory was short (shed), or cut by this server for any other cause (other): at its end, by the program, or because the input was not TLS.",
		Worry:  "lost or pong_timeout grow for many clients at once: the network",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Conns.Abnormal }),
	},
	{
		Name: "fanfare_close_timeouts_total", Type: Counter,
		Help:   "Clients that have not answered a close frame in time.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Conns.CloseTimeouts }),
	},
}

// closes tells the closes that clients began from those of the server.
func closes(s *monitor.Snapshot, emit emit) {
	for code, n := range sorted(s.Conns.Closes) {
		if code == "1006" {
			emit(float64(n), code, "none")
			continue
		}
		byClient := s.Conns.ClosesByPeer[code]
		emit(float64(byClient), code, "client")
		emit(float64(max(n-byClient, 0)), code, "server")
	}
}
