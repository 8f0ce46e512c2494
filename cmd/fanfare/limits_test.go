package main

import (
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/chat"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// notLimits are numbers in options that are not limits.
var notLimits = map[string]bool{
	"netpoll.Options.Loops": true, "netpoll.Options.ReadBuffer": true, "netpoll.Options.NotSentLowat": true, "netpoll.Options.Sweep": true,
	"wsproto.Server.StreamAbove": true, "hub.Options.Groups": true, "hub.TopicOptions.PresenceGrace": true,
	"-compress-level": true,
}

// ofTheProgram are limits that are constants of the program.
var ofTheProgram = map[string]int64{"batchBodies": batchBodies, "maxBatch": maxBatch, "maxReached": maxReached, "maxRevocation": maxRevocation, "maxOutput": maxOutput}

var (
	entryPattern   = regexp.MustCompile("`([A-Za-z.-]+)`(?: \\(`([a-z=-]+)`(?: of `-topic`)?\\))?: (none|1/\\d+ of memory|[0-9][0-9,]*(?: [KMGT]iB|ms|[smh])?)")
	counterPattern = regexp.MustCompile("`([a-z]+)\\.((?:Hook|Endpoint)?Stats)\\.([A-Za-z]+)`")
)

// inForce returns the options of a server that was started without flags.
func inForce(t *testing.T) (options map[string]any) {
	t.Helper()
	cfg := config.Default()
	a, err := newApp(cfg, daemon.Logger(io.Discard, false))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if _, err := a.server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.server.Shutdown(t.Context()) })
	topic := *a.hub.Options().Topic("x")
	kept := topic
	kept.History.Messages = 1
	kept = kept.WithDefaults()
	topic.History.Bytes = 1
	kept.History.Messages = topic.WithDefaults().History.Messages
	hooks, err := cfg.Hooks()
	if err != nil {
		t.Fatal(err)
	}
	hooks = hooks.WithDefaults()
	tokens := cfg.Token.Options()
	tokens.SecretFiles = []string{tokenFile(t)}
	if err := os.WriteFile(tokens.SecretFiles[0], make([]byte, 64), 0o600); err != nil {
		t.Fatal(err)
	}
	verifier, errs := token.New(tokens)
	if errs != nil {
		t.Fatal(errs)
	}
	webhooks, err := cfg.Webhooks.Options()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"idempotency.Options": a.once.Options(), "webhook.Options": webhooks.WithDefaults(),
		"backend.Options": hooks, "backend.HookOptions": hooks.Connect, "policy.Options": cfg.Policy().WithDefaults(), "token.Options": verifier.Options(),
		"rate.Options":    rate.Options{MaxKeys: rate.DefaultMaxKeys},
		"netpoll.Options": a.server.Engine, "wsproto.Server": a.server, "hub.Options": a.hub.Options(), "hub.TopicOptions": kept,
		"session.Options": a.sessions.Options(), "chat.Limits": chat.Limits{}.WithDefaults(),
	}
}

// numbers returns all numbers in a struct, by name.
func numbers(name string, v reflect.Value, into map[string]reflect.Value) {
	v = reflect.Indirect(v)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		switch v.Field(i).Kind() {
		case reflect.Int, reflect.Int64:
			into[name+"."+f.Name] = v.Field(i)
		case reflect.Struct:
			if of := f.Type; of == reflect.TypeFor[hub.Limit]() || of == reflect.TypeFor[hub.History]() || of == reflect.TypeFor[backend.Breaker]() {
				numbers(name+"."+f.Name, v.Field(i), into)
			}
		}
	}
}

// says reports whether text describes the limit n, which may be a duration.
func says(text string, n int64, isTime bool) bool {
	switch {
	case text == "none":
		return n <= 0 || n >= 1<<40
	case strings.HasSuffix(text, " of memory"):
		part, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(text, "1/"), " of memory"), 10, 64)
		most := netpoll.MemoryLimit()
		return math.Abs(float64(n)-float64(most)/float64(part)) < float64(most)/1e4
	case isTime:
		d, err := time.ParseDuration(text)
		return err == nil && int64(d) == n
	}
	size, err := daemon.ParseSize(strings.ReplaceAll(text, ",", ""))
	return err == nil && int64(size) == n
}

// The table in docs/limits.md has each option that is a limit or a deadline, with the default in fanfare, and no option that
// does not exist.
func TestTableOfLimits(t *testing.T) {
	text, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	options, flags := inForce(t), config.Flags()
	all := make(map[string]reflect.Value)
	for name, o := range options {
		numbers(name, reflect.ValueOf(o), all)
	}
	told, toldFlags := make(map[string]bool), make(map[string]bool)
	for _, m := range entryPattern.FindAllStringSubmatch(string(text), -1) {
		name, flagName, limit := m[1], m[2], m[3]
		if told[name] && !strings.HasPrefix(name, "-") {
			t.Errorf("%s stands there twice", name)
		}
		told[name] = true
		v, isOption := all[name]
		n, isProgram := ofTheProgram[name]
		switch {
		case strings.HasPrefix(name, "-"):
			flagName = name
		case isOption && !says(limit, v.Int(), v.Type() == reflect.TypeFor[time.Duration]()):
			t.Errorf("%s is %s there, and %v in force", name, limit, v)
		case isProgram && !says(limit, n, false):
			t.Errorf("%s is %s there, and %d in force", name, limit, n)
		case !isOption && !isProgram:
			t.Errorf("there is no %s", name)
		}
		checkFlag(t, flags, flagName, limit)
		toldFlags[flagName] = true
	}
	for name := range all {
		if told[name] == notLimits[name] {
			t.Errorf("%s: it stands there: %v; it bounds nothing: %v", name, told[name], notLimits[name])
		}
	}
	for name, f := range flags {
		if isNumber(f.Default) && !toldFlags["-"+name] && !notLimits["-"+name] {
			t.Errorf("the flag -%s does not stand there", name)
		}
	}
	for _, m := range counterPattern.FindAllStringSubmatch(string(text), -1) {
		stats := map[string]reflect.Type{
			"netpoll": reflect.TypeFor[netpoll.Stats](), "hub": reflect.TypeFor[hub.Stats](), "session": reflect.TypeFor[session.Stats](),
			"policy": reflect.TypeFor[policy.Stats](), "rate": reflect.TypeFor[rate.Stats](), "backend": reflect.TypeFor[backend.HookStats](),
			"idempotency": reflect.TypeFor[idempotency.Stats](), "webhook": reflect.TypeFor[webhook.EndpointStats](),
		}
		if of := stats[m[1]]; of == nil || of.Name() != m[2] {
			t.Errorf("there is no %s.%s", m[1], m[2])
		} else if _, there := of.FieldByName(m[3]); !there {
			t.Errorf("there is no counter %s", m[0])
		}
	}
}

// isNumber reports whether the default of a flag is a limit or a time.
func isNumber(text string) bool {
	_, notSize := daemon.ParseSize(text)
	_, notTime := time.ParseDuration(text)
	return notSize == nil || notTime == nil
}

// checkFlag checks the default in a flag's help, if it has one; 0 means the default of the option.
func checkFlag(t *testing.T, flags map[string]config.Flag, name, limit string) {
	t.Helper()
	if name == "" || strings.HasSuffix(name, "=") { // of a rule
		return
	}
	f, there := flags[strings.TrimPrefix(name, "-")]
	if !there {
		t.Errorf("there is no flag %s", name)
		return
	}
	if f.Default == "0" || f.Default == "0s" {
		return
	}
	d, err := time.ParseDuration(f.Default)
	n := int64(d)
	if err != nil {
		size, _ := daemon.ParseSize(f.Default)
		n = int64(size)
	}
	if !says(limit, n, err == nil) {
		t.Errorf("%s is %s by default, not %s", name, f.Default, limit)
	}
}

// Each flag sets the option of its name.
func TestFlagsReachTheirOptions(t *testing.T) {
	l := config.Load(strings.Fields("-max-message 2k -max-header 2k -max-pending 2m -total-pending 3m -min-rate 5 -max-backlog 6k -total-logs 7m -total-bodies 8m"+
		" -max-conns 9 -max-conns-per-addr 10 -max-tls-handshakes 11 -max-topics 1000 -max-topics-per-addr 13 -max-subscriptions 14 -total-subscriptions 15"+
		" -handshake-timeout 16s -tls-timeout 17s -message-timeout 18s -http-timeout 0 -idle-timeout 20s -ping 0 -pong-timeout 22s"), nil)
	if len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	cfg := l.Config
	var s wsproto.Server
	var h hub.Options
	limitServer(&s, cfg)
	limitHub(&h, &cfg.Limits)
	for i, got := range []int64{
		int64(s.MaxMessage), int64(s.MaxHeader), int64(s.Engine.MaxPending), int64(s.Engine.TotalPending), int64(s.MinRate), h.MaxBacklog, h.MaxMemory, bodies(&cfg.Limits),
		int64(s.Engine.MaxConns), int64(s.Engine.MaxConnsPerAddr), int64(s.Engine.TLSHandshakes), int64(h.MaxTopics), int64(h.MaxTopicsPerOwner), int64(h.MaxSubscriptions), int64(h.MaxAllSubscriptions),
		int64(s.HandshakeTimeout), int64(s.Engine.TLSTimeout), int64(s.MessageTimeout), int64(s.HTTPTimeout), int64(s.IdleTimeout), int64(s.PingInterval), int64(s.PongTimeout),
	} {
		want := []int64{
			2 << 10, 2 << 10, 2 << 20, 3 << 20, 5, 6 << 10, 7 << 20, 8 << 20, 9, 10, 11, 1000, 13, 14, 15,
			int64(16 * time.Second), int64(17 * time.Second), int64(18 * time.Second), -1, int64(20 * time.Second), -1, int64(22 * time.Second),
		}[i]
		if got != want {
			t.Errorf("%d: %d, want %d", i, got, want)
		}
	}
}

// The same holds for the options of access, of rates and of the backend.
func TestFlagsReachOptionsOfAccess(t *testing.T) {
	l := config.Load(strings.Fields("-max-handshakes 1 -handshake-rate 2 -max-conns-per-addr 3 -max-conns-per-user 4 -conn-message-rate 5 -conn-byte-rate 6 -conn-burst 7s"+
		" -user-message-rate 8 -user-byte-rate 9 -user-burst 10s -topic-message-rate 11 -topic-byte-rate 12 -topic-burst 13s"+
		" -backend-timeout 14s -backend-max-concurrent 15 -backend-cache 16s -backend-breaker-failures 17 -backend-breaker-pause 18s"+
		" -jwt-refresh 19s -jwt-leeway 20s -jwt-max-lifetime 21s -jwt-secret-files x"), nil)
	if len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	c := l.Config
	server, conn, user, topic := serverLimits(c), rateOf(&c.Limits.Rates), userLimits(&c.Limits.Rates), topicLimits(&c.Limits.Rates)
	hooks, err := c.Hooks()
	if err != nil {
		t.Fatal(err)
	}
	p, s := c.Policy(), int64(time.Second)
	for i, got := range []int64{
		int64(server.MaxHandshakes), int64(server.HandshakeRate), int64(server.MaxConnsPerClient), int64(p.MaxConnsPerUser),
		int64(conn.Messages), int64(conn.Bytes), int64(conn.Burst) / s, int64(user.Messages), int64(user.Bytes), int64(user.Burst) / s,
		int64(topic.Messages), int64(topic.Bytes), int64(topic.Burst) / s, int64(hooks.Publish.Timeout) / s, int64(hooks.MaxConcurrent), int64(hooks.Subscribe.Cache) / s,
		int64(hooks.Breaker.Failures), int64(hooks.Breaker.Pause) / s, int64(p.Tokens.Refresh) / s, int64(p.Tokens.Leeway) / s, int64(p.Tokens.MaxLifetime) / s,
	} {
		if got != int64(i+1) {
			t.Errorf("%d, want %d", got, i+1)
		}
	}
}
