package survey

import "time"

// Every is the shortest time between the begins of two looks at everything.
const Every = 2 * time.Second

const (
	share   = 20               // of the time may be spent, as a divisor
	keepFor = 30 * time.Second // what was found, without a request
)

// due returns how long it is until the next look at everything may begin, after one that began at a time; 0 or less if it may now.
func due(now, began time.Time, took time.Duration) time.Duration {
	if began.IsZero() || now.Before(began) { // the clock was set back
		return 0
	}
	return max(Every, share*took) - now.Sub(began)
}

// forgetAfter returns when the results of a look that took some time are forgotten.
func forgetAfter(took time.Duration) time.Duration { return max(keepFor, 2*share*took) }
