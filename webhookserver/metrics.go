package webhookserver

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	listenerFailures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_listener_errors_total",
		Help: "Errors of the public listener by kind: tls_handshake, accept or other.",
	}, []string{"kind"})

	// It is there only with --tls-cert-file. Where an ingress or gateway has the certificate, watch
	// that one. Zoom sends nothing to an address whose certificate has expired.
	certificateExpiry = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "zoom_operator_tls_certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the public listener expires, in seconds since 1970.",
	}, []string{})
)

func init() {
	metrics.Registry.MustRegister(listenerFailures, certificateExpiry)
}

// noteExpiry takes in the certificate that the listener has from now on.
func noteExpiry(certificate tls.Certificate) {
	if certificate.Leaf != nil {
		certificateExpiry.WithLabelValues().Set(float64(certificate.Leaf.NotAfter.Unix()))
	}
}
