// Package telemetry is what the rooms of the public listener count and log in the same way: the
// reasons that they share, log lines that are sampled, what is written, and the series of apps,
// which go with them.
package telemetry
