package main

import (
	"testing"
	"time"
)

// TestConformance plays the whole suite against a wsproto.Server. Each case is a subtest: -run TestConformance/6.4 selects
// some.
func TestConformance(t *testing.T) {
	j := newJudge(60 * time.Second) // the machine may be busy
	t.Cleanup(func() {
		if err := j.targets.shutdown(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range allCases() {
		for _, m := range []mode{whole, pieces} {
			t.Run(c.ID+" "+string(m), func(t *testing.T) {
				t.Parallel()
				v := j.run(c, m)
				switch {
				case v.reason != "":
					t.Errorf("%s: not run: %s", c.What, v.reason)
				case v.err != nil && v.trace != nil:
					t.Errorf("%s (%s)\n%v\nsent %v\ngot  %v", c.What, clause(c.Clause), v.err, &v.trace.out, &v.trace.in)
				case v.err != nil:
					t.Errorf("%s: %v", c.What, v.err)
				}
			})
		}
	}
}
