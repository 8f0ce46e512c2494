//go:build cluster

package natsserver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Included reports whether this program has the server.
const Included = true

const (
	minPayload  = 1 << 20  // of nats-server by default
	headerRoom  = 64 << 10 // for the headers of a message
	handOver    = time.Second
	handOverGap = 10 * time.Millisecond // between two looks at who leads
)

// Server is a NATS server in this process.
type Server struct {
	srv *server.Server
	dir *directory
	log *logger
}

// Start starts a server, which has read what is stored when Start returns. Its error is fit for an operator. ctx bounds the
// start only.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := openDirectory(o.Dir, &o.Routes)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, log: newLogger(o.Log)}
	if free, tight := dir.tight(o.MaxBytes); tight {
		o.Log.Warn("the disk of the data directory has less room than the stored messages may take", "directory", o.Dir, "free", free, "most", o.MaxBytes)
	}
	opts, err := serverOptions(&o, dir)
	if err == nil {
		s.srv, err = server.NewServer(opts)
	}
	if err != nil {
		dir.close()
		return nil, fmt.Errorf("the NATS server cannot be configured: %w", err)
	}
	s.srv.SetLoggerV2(s.log, false, false, false)
	if err := s.begin(ctx, !o.Routes.Single()); err != nil {
		return nil, err
	}
	return s, nil
}

// serverOptions returns the options of nats-server. It has no limit for the disk: streams are made by brokers only, which give
// them one, and a limit here would keep the first restarted node from raising it.
func serverOptions(o *Options, dir *directory) (*server.Options, error) {
	opts := &server.Options{
		ServerName: dir.node.Name, NoSigs: true, DontListen: true, DisableJetStreamBanner: true,
		MaxPayload: int32(min(max(minPayload, int64(o.MaxMessage)+headerRoom), math.MaxInt32)),
		JetStream:  true, StoreDir: dir.path, JetStreamMaxStore: math.MaxInt64 / 2, JetStreamMaxMemory: 1 << 20,
	}
	if o.Routes.Single() {
		return opts, nil
	}
	return opts, o.Routes.apply(opts)
}

// begin runs the server.
func (s *Server) begin(ctx context.Context, routes bool) error {
	started := make(chan struct{})
	go func() {
		s.srv.Start() // takes as long as JetStream needs to read what is stored
		close(started)
	}()
	select {
	case <-started:
	case why := <-s.log.fatal:
		<-started
		return s.fail(errors.New(why))
	case <-ctx.Done():
		go func() {
			<-started
			s.end()
		}()
		return fmt.Errorf("the NATS server has not read what is stored in %s: %w", s.dir.path, context.Cause(ctx))
	}
	if routes {
		startRouting(s.srv)
	}
	select {
	case why := <-s.log.fatal:
		return s.fail(errors.New(why))
	default:
	}
	if !s.srv.JetStreamEnabled() {
		return s.fail(errors.New("JetStream is not enabled"))
	}
	return nil
}

// fail ends a server that could not start.
func (s *Server) fail(why error) error {
	s.end()
	return fmt.Errorf("the NATS server in this process cannot start: %w", why)
}

func (s *Server) end() {
	s.srv.Shutdown()
	s.dir.close()
}

// Name returns the name of the node, by which the others know it.
func (s *Server) Name() string { return s.dir.node.Name }

// Dial returns a connection to the server.
func (s *Server) Dial(context.Context) (net.Conn, error) { return s.srv.InProcessConn() }

// Stop ends the server. Its error says that it has not ended when ctx was done.
func (s *Server) Stop(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.handOver(ctx)
		s.end()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the NATS server in this process has not ended in time: %w", context.Cause(ctx))
	}
}

// handOver gives the leadership of streams to other nodes, and waits until they have taken it. nats-server's own mode for
// this needs the port of clients, and its shutdown does not wait.
func (s *Server) handOver(ctx context.Context) {
	if !s.srv.JetStreamIsClustered() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	for _, name := range s.led() {
		_ = s.srv.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, name) // without another node that is up to date, Shutdown finds the same
	}
	tick := time.NewTicker(handOverGap)
	defer tick.Stop()
	for len(s.led()) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// led returns the streams with copies that this node leads, or nobody.
func (s *Server) led() (names []string) {
	all, err := s.srv.Jsz(&server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return nil
	}
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			if c := stream.Cluster; c != nil && len(c.Replicas) > 0 && (c.Leader == s.Name() || c.Leader == "") {
				names = append(names, stream.Name)
			}
		}
	}
	return names
}
