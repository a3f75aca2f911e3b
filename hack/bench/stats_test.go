package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		want   float64
	}{
		"of nothing":        {nil, 0},
		"of an odd number":  {[]float64{9, 1, 2}, 2},
		"of an even number": {[]float64{9, 1, 2, 4}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("median = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	sixteen := make([]float64, 16)
	for i := range sixteen {
		sixteen[15-i] = float64(i)
	}
	for name, tt := range map[string]struct {
		values   []float64
		from, to float64
	}{
		"of nothing":                            {nil, 0, 0},
		"of too few, all of them":               {[]float64{3, 1, 2}, 1, 3},
		"of sixteen, without three at each end": {sixteen, 3, 12},
	} {
		t.Run(name, func(t *testing.T) {
			if from, to := interval(tt.values); from != tt.from || to != tt.to {
				t.Errorf("interval = %v to %v, want %v to %v", from, to, tt.from, tt.to)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for name, tt := range map[string]struct {
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		"of nothing":                    {nil, .5, 0},
		"of one value":                  {[]time.Duration{7}, .99, 7},
		"the median of two is the less": {[]time.Duration{1, 2}, .5, 1},
		"99 % of a hundred":             {hundred, .99, 99},
		"the last":                      {hundred, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quantile(tt.sorted, tt.q); got != tt.want {
				t.Errorf("quantile = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRatios(t *testing.T) {
	got := ratios([]float64{1, 9}, []float64{2, 3})
	if len(got) != 2 || got[0] != .5 || got[1] != 3 {
		t.Errorf("ratios = %v, want [0.5 3]", got)
	}
}
