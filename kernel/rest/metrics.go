package rest

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts and times requests by service, method, route and status.
type Metrics struct{ seconds *prometheus.HistogramVec }

// NewMetrics registers the request histogram.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "altostack_http_request_seconds", Help: "Time from a request's arrival to its answer.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 60},
	}, []string{"service", "method", "route", "action", "status"})}
	r.MustRegister(m.seconds)
	return m
}

type observer func(status int, took time.Duration)

// route resolves a route's labels once, as a look-up by five labels costs more
// than a cached token validation.
func (m *Metrics) route(service string, r Route) observer {
	if m == nil {
		return func(int, time.Duration) {}
	}
	var byStatus sync.Map
	return func(status int, took time.Duration) {
		o, ok := byStatus.Load(status)
		if !ok {
			o, _ = byStatus.LoadOrStore(status, m.seconds.WithLabelValues(service, r.Method, r.Path, r.Action, strconv.Itoa(status)))
		}
		o.(prometheus.Observer).Observe(took.Seconds())
	}
}
