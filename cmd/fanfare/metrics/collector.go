package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
)

// The limits of a Handler. Scrapes at the same time share what was gathered for the first of them.
const (
	maxScrapes    = 8
	scrapeTimeout = 10 * time.Second
)

// Handler returns the handler of GET /metrics, which also has the metrics of the process and of Go. It answers in the text
// format of Prometheus, or that of OpenMetrics, as the client asks for. Nothing is built before the first scrape.
func Handler(take func() monitor.Snapshot) http.Handler {
	build := sync.OnceValue(func() http.Handler {
		r := prometheus.NewRegistry()
		r.MustRegister(
			newCollector(take),
			collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		)
		return promhttp.HandlerFor(r, promhttp.HandlerOpts{
			EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes, CoalesceGather: true, Timeout: scrapeTimeout,
			OfferedCompressions: []promhttp.Compression{promhttp.Identity, promhttp.Gzip},
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { build().ServeHTTP(w, r) })
}

// collector is a prometheus.Collector of the metrics of All.
type collector struct {
	take    func() monitor.Snapshot
	metrics []Metric
	descs   []*prometheus.Desc // of metrics
}

func newCollector(take func() monitor.Snapshot) *collector {
	c := &collector{take: take, metrics: All()}
	for i := range c.metrics {
		m := &c.metrics[i]
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, l.Name)
		}
		c.descs = append(c.descs, prometheus.NewDesc(m.Name, m.Help, labels, nil))
	}
	return c
}

// Describe is a method of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect is a method of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.take()
	for i := range c.metrics {
		m, d := &c.metrics[i], c.descs[i]
		if m.Type == Histogram {
			if h := m.histogram(&s); len(h.Bounds) > 0 { // else the server does not have what it measures
				ch <- constHistogram(d, &h)
			}
			continue
		}
		kind := prometheus.GaugeValue
		if m.Type == Counter {
			kind = prometheus.CounterValue
		}
		m.values(&s, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
		})
	}
}

// constHistogram returns a histogram whose buckets are cumulative, as those of Prometheus are.
func constHistogram(d *prometheus.Desc, h *monitor.Histogram) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var below uint64
	for i, bound := range h.Bounds {
		below += uint64(h.Counts[i])
		buckets[bound] = below
	}
	return prometheus.MustNewConstHistogram(d, uint64(h.Count()), h.Sum, buckets)
}
