package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/scenarios"
)

// ordinary are the conditions that say that nothing is out of the ordinary. One is there only where
// it was otherwise in a status that was written in between, and how often that is written, is open.
var ordinary = regexp.MustCompile(`, (WaitingForHost: NobodyWaiting|EndOverdue: AsExpected)\b`)

// The scenarios happen so that each ends now. What is not told to depend on the order arrives at
// once.
func TestScenarios(t *testing.T) {
	day := func(end time.Duration) time.Time { return now().Add(-end) }
	scenarios.Run(t, day, func(t *testing.T, s *scenarios.Scenario) string {
		t.Helper()
		a := newApp(t, nil)
		if s.Ordered {
			a.tell(t, s.Events...)
		} else {
			a.tellAtOnce(t, len(s.Events), s.Events)
		}
		within(t, settleWithin, func(ctx context.Context) error {
			var list v1alpha1.ZoomMeetingList
			if err := system.Client.List(ctx, &list, client.InNamespace(a.namespace)); err != nil {
				return err
			}
			if diff := cmp.Diff(strings.Split(s.Expected, "\n"), strings.Split(ordinary.ReplaceAllString(s.Render(list.Items), ""), "\n")); diff != "" {
				return fmt.Errorf("objects (-expected +stored):\n%s", diff)
			}
			return nil
		})
		return s.Expected
	})
}
