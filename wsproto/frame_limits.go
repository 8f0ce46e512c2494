package wsproto

import (
	"cmp"
	"math"
	"time"
)

// limits are the sizes that an endpoint accepts, in bytes.
type limits struct {
	frame, message int
}

// check checks the size of a frame, and of the message whose earlier frames have before
// bytes.
func (l *limits) check(frame int64, before int, deflated bool) error {
	if frame > slack(int64(l.frame), deflated) {
		return errFrameSize
	}
	if frame > slack(int64(l.message), deflated)-int64(before) {
		return errMessageSize
	}
	return nil
}

// slack returns how many bytes may come for a message of at most n bytes. Compression makes
// incompressible data a little longer: that is allowed here, and the message is measured
// again when it is decompressed.
func slack(n int64, deflated bool) int64 {
	if deflated && n >= 0 {
		return n + min(n>>8+64, math.MaxInt64-n)
	}
	return n
}

// streams is the configuration of streamed messages of an endpoint.
type streams struct {
	above   limits // for connections whose handler takes streams
	all     limits // for connections on which nothing is collected
	most    int64  // payload
	timeout time.Duration
	rate    int // Server.MinRate; no bound unless positive
}

func newStreams(frame, above int, most int64, timeout time.Duration, rate int) streams {
	if most = cmp.Or(most, 1<<30); most < 0 {
		most = math.MaxInt64
	}
	if frame == 0 {
		frame = int(min(most, math.MaxInt))
	}
	return streams{limits{frame, above}, limits{frame, -1}, most, cmp.Or(timeout, time.Minute), rate}
}

// limits returns the limits of a connection. all says that nothing is collected.
func (s *streams) limits(all bool) *limits {
	if all {
		return &s.all
	}
	return &s.above
}
