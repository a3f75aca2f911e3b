// Package prometheus holds the rules of config/prometheus and the dashboard of config/grafana
// against Prometheus' own engine: what fires when, and that every query is about metrics that there
// are. It is a module of its own, so that the operator does not depend on Prometheus.
package prometheus
