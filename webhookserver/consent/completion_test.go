package consent

import (
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestConsentTime(t *testing.T) {
	asked := time.Unix(1772442005, 0)
	now := asked.Add(3 * time.Second)
	for name, tc := range map[string]struct{ answered, want time.Time }{
		"Zoom's":                         {asked.Add(time.Second), asked.Add(time.Second)},
		"Zoom's, ahead of ours":          {now.Add(zoom.MaxClockSkew), now.Add(zoom.MaxClockSkew)},
		"Zoom's, behind ours":            {asked.Add(-zoom.MaxClockSkew), asked.Add(-zoom.MaxClockSkew)},
		"ours, when Zoom's is far ahead": {now.Add(zoom.MaxClockSkew + time.Second), asked},
		"ours, when Zoom's is far off":   {asked.Add(-zoom.MaxClockSkew - time.Second), asked},
		"ours, when Zoom says nothing":   {time.Time{}, asked},
	} {
		t.Run(name, func(t *testing.T) {
			if got := consentTime(tc.answered, asked, now); !got.Equal(tc.want) {
				t.Errorf("the consent was at %v, want %v", got, tc.want)
			}
		})
	}
}
