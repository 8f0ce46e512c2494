package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
)

// Prefix is that of the names of all metrics.
const Prefix = "fanfare_"

// Type is the type of a metric, as Prometheus calls it.
type Type string

// The types of metrics.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Metric describes a metric.
type Metric struct {
	Name   string // with the prefix
	Type   Type
	Labels []Label
	Help   string // what it counts or measures, with the unit
	Worry  string // when an operator should look at it; "" if it only explains others

	values    func(s *monitor.Snapshot, emit emit)        // of a counter or gauge
	histogram func(s *monitor.Snapshot) monitor.Histogram // of a histogram
}

// Label is a label of a metric.
type Label struct {
	Name   string
	Values string // with commas between them; "" if the list is not closed
}

// emit takes a value with those of its labels.
type emit func(v float64, labels ...string)

// All returns all metrics, in the order of the documentation.
func All() []Metric {
	return slices.Concat(serverMetrics, connectionMetrics, trafficMetrics, engineMetrics, topicMetrics, clientMetrics, accessMetrics, backendMetrics, webhookMetrics, clusterMetrics)
}

// number is what a Snapshot has.
type number interface {
	~int | ~int64 | ~uint64 | ~float64
}

// one is the function of a metric without labels.
func one[N number](f func(s *monitor.Snapshot) N) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) { emit(float64(f(s))) }
}

// each is the function of a metric with a label whose values are the keys of a map.
func each[N number](f func(s *monitor.Snapshot) map[string]N) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) {
		for key, n := range sorted(f(s)) {
			emit(float64(n), key)
		}
	}
}

// sorted iterates over a map in the order of its keys.
func sorted[K cmp.Ordered, V any](m map[K]V) func(yield func(K, V) bool) {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// optional is the function of a metric of a part that a Snapshot may lack.
func optional[T any](part func(*monitor.Snapshot) *T, f func(*T) float64) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) {
		if p := part(s); p != nil {
			emit(f(p))
		}
	}
}

// optionalMap is optional with a value for each key of a map.
func optionalMap[T any](part func(*monitor.Snapshot) *T, f func(*T) map[string]int64) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) {
		if p := part(s); p != nil {
			for key, n := range sorted(f(p)) {
				emit(float64(n), key)
			}
		}
	}
}
