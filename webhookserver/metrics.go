package webhookserver

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var listenerFailures = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_listener_errors_total",
	Help: "Errors of the public listener by kind: tls_handshake, accept or other.",
}, []string{"kind"})

func init() {
	metrics.Registry.MustRegister(listenerFailures)
}
