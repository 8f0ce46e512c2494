//go:build linux

package netpoll

// Limits are the options that can change while an engine runs: see Engine.SetLimits. Each is the field of the same name of
// [Options], with the same default if it is 0.
type Limits struct {
	MaxConns        int
	Reserve         int
	MaxConnsPerAddr int
	TotalPending    int
	MinDrain        int
	TLSHandshakes   int
	TLSWaiting      int
}

// with returns o with these limits.
func (l Limits) with(o Options) Options {
	o.MaxConns, o.Reserve, o.MaxConnsPerAddr = l.MaxConns, l.Reserve, l.MaxConnsPerAddr
	o.TotalPending, o.MinDrain = l.TotalPending, l.MinDrain
	o.TLSHandshakes, o.TLSWaiting = l.TLSHandshakes, l.TLSWaiting
	return o
}

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
