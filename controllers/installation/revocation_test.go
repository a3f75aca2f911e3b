package installation

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// What make undeploy comes to: a thousand revocations are decided about as they fall due, of which
// Zoom takes a few a second and sends the others away for a while. None is given up, and not much
// more is asked for than that.
func TestAThousandRevocationsPassARateLimit(t *testing.T) {
	const many, perSecond, requestsEach = 1000, 5, 10
	r := &Reconciler{}
	app := appWith(v1alpha1.TokenPolicyContinuous)
	installations, all := make([]*v1alpha1.ZoomInstallation, many), make([]*tokens.Stored, many)
	due := make([]time.Time, many)
	for n := range many {
		installations[n] = &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{UID: types.UID(fmt.Sprint("uid-", n)), DeletionTimestamp: testclock.At("0s")},
			Spec:       v1alpha1.ZoomInstallationSpec{AccountID: account, Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}},
		}
		all[n] = tokenOf("-50m")
	}
	asked, left, now := 0, many, testclock.Noon
	r.Now = func() time.Time { return now }
	for ; left > 0; now = now.Add(time.Second) {
		if now.Sub(testclock.Noon) > 6*time.Hour {
			t.Fatalf("after six hours %d are left", left)
		}
		taken := 0
		for n, in := range installations {
			if all[n] == nil || now.Before(due[n]) {
				continue
			}
			f := &facts{app: app, clientSecrets: []string{"s"}, token: all[n]}
			f.failing, f.retryAt = failureOf(now, f.token.Token), f.token.Failure.NextAttemptAt
			p := next(now, in, f)
			switch p.step {
			case stepReportTerminating:
			case stepRefresh, stepRevoke:
				asked++
				if taken++; taken > perSecond {
					f.token.Failure = r.failed(t.Context(), in, f, &zoom.RateLimited{RetryAfter: 7 * time.Second})
				} else if p.step == stepRevoke {
					all[n] = nil
					left--
					continue
				} else {
					f.token.Token = f.token.Successor(&zoom.Token{AccessToken: "b", RefreshToken: "s", ExpiresIn: time.Hour}, now, "")
					f.failing = nil
				}
			case stepWait:
				due[n] = p.at
				continue
			default:
				t.Fatalf("number %d is given up: %+v", n, p)
			}
			in.Status = statusOf(now, in, f)
			due[n] = now.Add(time.Second)
		}
	}
	t.Logf("%d were revoked within %v, by %d requests", many, now.Sub(testclock.Noon), asked)
	if asked > requestsEach*many {
		t.Errorf("Zoom was asked %d times", asked)
	}
}
