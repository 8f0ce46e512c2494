//go:build linux

package netpoll

import "net/netip"

// Limits returns the limits in force, defaults filled in.
func (e *Engine) Limits() Limits { return *e.limits.Load() }

// SetLimits changes the limits. On an error, which names the field whose value is invalid, nothing has changed. Open
// connections stay when there are more than the new MaxConns or MaxConnsPerAddr allow, and handshakes under way go on;
// but the heaviest connections are closed if they hold more memory than the new TotalPending. A MaxConnsPerAddr where
// there was no bound counts the connections that come from then on.
func (e *Engine) SetLimits(l Limits) error {
	o := l.with(e.opts)
	if err := o.Validate(); err != nil {
		return err
	}
	e.changes.Lock()
	defer e.changes.Unlock()
	e.applyLimits(o.withDefaults())
	if e.held() > e.budget.bounds.Load().high {
		e.budget.scan.Store(true)
		e.monitor.arm()
	}
	return nil
}

func (e *Engine) applyLimits(o Options) {
	e.limits.Store(&Limits{o.MaxConns, o.Reserve, o.MaxConnsPerAddr, o.TotalPending, o.MinDrain, o.TLSHandshakes, o.TLSWaiting})
	e.admission.set(o)
	e.budget.set(o.TotalPending, o.Loops)
	e.serverHandshakes.set(o)
	e.clientHandshakes.set(o)
}

// tellFullAddr logs, at times, that the address of key has as many connections as it may, if that is so.
func (e *Engine) tellFullAddr(key netip.Addr) {
	if e.admission.ownsAll(key) {
		e.fullAddrs.Warn(e.opts.Logger, "refused a connection, because its address has as many as one may have", "address", key,
			"limit", e.admission.perAddr.Load(), "allow", "if it is a proxy, trust it with "+e.opts.ProxyOption+"; else raise Options.MaxConnsPerAddr")
	}
}
