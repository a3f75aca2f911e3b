package main

import (
	"math"
	"slices"
	"time"
)

// median is the middle one of the values, of an even number the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// interval is where the median would be in nineteen of twenty runs, judged by how much the values
// differ.
func interval(values []float64) (from, to float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0, 0
	}
	// The number of values below the true median is binomial: n/2 give or take two standard
	// deviations of sqrt(n)/2.
	skip := max(int(float64(n)/2-math.Sqrt(float64(n)))-1, 0)
	return sorted[skip], sorted[n-1-skip]
}

// quantile is the smallest value that at least the share q of the sorted values does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	at := int(q * float64(n))
	if float64(at) < q*float64(n) {
		at++
	}
	return sorted[min(max(at-1, 0), n-1)]
}

// perSecond is a rate.
func perSecond(n int, took time.Duration) float64 {
	return float64(n) / took.Seconds()
}

// ratios are the quotients of two series that were measured in turns.
func ratios(values, base []float64) []float64 {
	out := make([]float64, len(values))
	for i := range values {
		out[i] = values[i] / base[i]
	}
	return out
}
