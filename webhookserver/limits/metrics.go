package limits

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	openConnections = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "zoom_operator_public_connections",
		Help: "Connections to the public listener that are open.",
	})

	connectionsShed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_public_connections_shed_total",
		Help: "Connections to the public listener that were closed since too many were open, by reason: idle, waiting for the rest of a request, or full, when all others were being answered.",
	}, []string{"reason"})
)

func init() {
	metrics.Registry.MustRegister(openConnections, connectionsShed)
}
