package installation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// What is remembered of users who were deleted is about them alone, names none of them, does not
// depend on the order, and is bounded.
func TestDeletedUsers(t *testing.T) {
	noon := time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
	until := noon.Add(2 * time.Hour)
	in, reversed := &v1alpha1.ZoomInstallation{}, &v1alpha1.ZoomInstallation{}
	if OfDeletedUser(in, "", noon) || OfDeletedUser(in, "gone", noon) {
		t.Error("a user was deleted of whom nothing was reported")
	}
	ago := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	MergeUserDeleted(in, "gone", ago(60), noon, until)
	MergeUserDeleted(in, "too", ago(30), noon, until)
	MergeUserDeleted(in, "gone", ago(50), noon, until)
	for _, user := range []string{"too", "gone"} {
		for _, at := range []int{30, 50, 60} {
			if at == 30 == (user == "too") {
				MergeUserDeleted(reversed, user, ago(at), noon, until)
			}
		}
	}
	if DeletedUsersChanged(in, reversed) {
		t.Errorf("in another order it is %q, and was %q", reversed.Annotations, in.Annotations)
	}
	skew := int(zoom.MaxClockSkew / time.Minute)
	for _, test := range []struct {
		host string
		ago  int
		want bool
	}{
		{"gone", 61, true},
		{"gone", 50 - skew, true},
		{"gone", 49 - skew, false},
		{"too", 49 - skew, true},
		{"too", 29 - skew, false},
		{"other", 120, false},
		{"", 30, true},
		{"", 29 - skew, false},
	} {
		if got := OfDeletedUser(in, test.host, ago(test.ago)); got != test.want {
			t.Errorf("an event of host %q %d minutes ago: %t", test.host, test.ago, got)
		}
	}
	if text := in.Annotations[deletedUsersAnnotation]; strings.Contains(text, "gone") || strings.Contains(text, "too") {
		t.Errorf("the annotation names a user: %s", text)
	}
	MergeUserDeleted(in, "last", until, until, until.Add(time.Hour))
	if OfDeletedUser(in, "gone", ago(120)) || !OfDeletedUser(in, "last", until) {
		t.Errorf("what has served its time is there, or what has not is gone: %s", in.Annotations)
	}
	for i := range 2 * maxDeletedUsers {
		MergeUserDeleted(in, fmt.Sprint("user", i), noon, noon, until.Add(time.Duration(i)*time.Hour))
	}
	if n := len(deletedUsers(in)); n != maxDeletedUsers || !OfDeletedUser(in, fmt.Sprint("user", 2*maxDeletedUsers-1), noon) {
		t.Errorf("%d are remembered, want the latest %d", n, maxDeletedUsers)
	}
}
