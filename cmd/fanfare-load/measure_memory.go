package main

import "fmt"

// stage is the memory of the server and of the kernel at one time.
type stage struct {
	Name        string `json:"name"`
	Connections int64  `json:"connections"`
	Server      struct {
		RSS amount `json:"rss"`
		PSS amount `json:"pss"`
		// Figures of the server's Go runtime, with -vars: in bytes, and the number of goroutines.
		Objects    amount `json:"objects"` // in the heap, without free space between them
		Heap       amount `json:"heap"`
		Stacks     amount `json:"stacks"`
		Goroutines amount `json:"goroutines"`
	} `json:"server"`
	Kernel struct {
		SocketObjects amount `json:"socket_objects"`
		TCPBuffers    amount `json:"tcp_buffers"`
		Slab          amount `json:"slab"`
	} `json:"kernel"`
}

// stageConnected is the name of the first stage at a number of connections.
const stageConnected = "connected"

// amount is one figure, in bytes. A figure that cannot be read is -1, and the figures derived from it are absent.
type amount struct {
	Total         int64    `json:"total"`
	Over          *int64   `json:"over_before,omitempty"`
	PerConnection *float64 `json:"per_connection,omitempty"`
}

// amountOf compares a figure with before, which is nil in the first stage.
func amountOf(total int64, before *amount, connections int64) amount {
	a := amount{Total: total}
	if total != unknown && before != nil && before.Total != unknown {
		a.Over = ptr(total - before.Total)
		if connections > 0 {
			a.PerConnection = ptr(float64(*a.Over) / float64(connections))
		}
	}
	return a
}

// weigh measures the memory of the server and of the kernel and adds a stage to the report. It does nothing without -pid.
func (l *load) weigh(name string) error {
	if l.opt.pid == 0 {
		return nil
	}
	var first stage
	before := func(*amount) *amount { return nil }
	if len(l.report.Memory) > 0 {
		first = l.report.Memory[0]
		before = func(a *amount) *amount { return a }
	} else if _, err := l.vars(); err != nil { // the memory for the page itself belongs to the first stage
		return err
	}
	rss, pss, err := processMemory(l.opt.pid)
	if err != nil {
		return fmt.Errorf("cannot read the memory of process %d; the server may have ended: %w", l.opt.pid, err)
	}
	s := stage{Name: name, Connections: l.conns.alive()}
	v, err := l.vars()
	if err != nil {
		return err
	}
	n := s.Connections
	s.Server.RSS = amountOf(rss, before(&first.Server.RSS), n)
	s.Server.PSS = amountOf(pss, before(&first.Server.PSS), n)
	s.Server.Objects = amountOf(v.objects(), before(&first.Server.Objects), n)
	s.Server.Heap = amountOf(v.heap(), before(&first.Server.Heap), n)
	s.Server.Stacks = amountOf(v.stacks(), before(&first.Server.Stacks), n)
	s.Server.Goroutines = amountOf(v.goroutines(), before(&first.Server.Goroutines), n)
	k := l.turn.kernel()
	s.Kernel.SocketObjects = amountOf(k.objects, before(&first.Kernel.SocketObjects), n)
	s.Kernel.TCPBuffers = amountOf(k.buffers, before(&first.Kernel.TCPBuffers), n)
	s.Kernel.Slab = amountOf(k.slabs, before(&first.Kernel.Slab), n)
	l.report.Memory = append(l.report.Memory, s)
	return nil
}
