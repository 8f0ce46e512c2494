package hub

import (
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// A message that becomes history while it is being encoded is encoded nevertheless, for
// those whom it is on its way to, and keeps nothing of it.
func TestChilledWhileItIsWrapped(t *testing.T) {
	for _, other := range []bool{false, true} {
		r := &Record{Message: number(1)}
		wrap := func(r *Record) *wsproto.Prepared {
			if other { // another was faster
				r.wrapped.Store(number(2).Prepared)
			}
			r.chill()
			return number(3).Prepared
		}
		if p := r.prepared(wrapped, wrap); p == nil || numbers(p)[0] != 3 || r.wrapped.Load() != nil {
			t.Errorf("other %v: got %v, keeps %v", other, p, r.wrapped.Load())
		}
	}
}
