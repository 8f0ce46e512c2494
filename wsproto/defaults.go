package wsproto

import "time"

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

const (
	defaultMaxMessage = 1 << 20
	defaultMaxHeader  = 16 << 10
	defaultPing       = 25 * time.Second
)
