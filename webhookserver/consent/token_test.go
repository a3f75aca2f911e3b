package consent

import (
	"testing"
	"time"
)

func TestWhichTokenStays(t *testing.T) {
	early, late := time.Unix(1772442005, 0), time.Unix(1772442006, 0)
	for name, tc := range map[string]struct {
		stored, mine     life
		storedAt, mineAt time.Time
		want             bool
	}{
		"the one that Zoom takes, here":                             {alive, dead, early, late, true},
		"the one that Zoom takes, the new one":                      {dead, alive, late, early, false},
		"of two that Zoom takes, that of the later consent":         {alive, alive, early, late, false},
		"also when it is the stored one":                            {alive, alive, late, early, true},
		"of two that nobody can ask about, that of the later one":   {unknown, unknown, early, late, false},
		"also when it is stored":                                    {unknown, unknown, late, early, true},
		"in one second nothing changes":                             {unknown, unknown, late, late, true},
		"the one that is certain":                                   {unknown, alive, late, early, false},
		"the one that is certain, here":                             {alive, unknown, early, late, true},
		"a consent of long ago gives way, whatever Zoom says of it": {alive, unknown, early.Add(-time.Hour), late, false},
		"the one that may be, before one that is not":               {dead, unknown, late, early, false},
		"a dead one never takes a place":                            {dead, dead, early, late, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outlives(tc.stored, tc.mine, tc.storedAt, tc.mineAt); got != tc.want {
				t.Errorf("the stored one stays: %t", got)
			}
		})
	}
}
