package names_test

import (
	"testing"

	"github.com/zoom-operator/zoom-operator/internal/names"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct{ got, want string }{
		"a meeting":            {names.Meeting("app", "81234567890"), "app-81234567890"},
		"a reassigned number":  {names.ReassignedMeeting("app", "81234567890", "acc"), "app-81234567890-414322309d"},
		"an account":           {names.Installation("app", "acc", ""), "app-414322309d"},
		"a user of an account": {names.Installation("app", "acc", "user"), "app-bc0060b2ba"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is named %s, want %s: another name is another object", what, tt.got, tt.want)
		}
	}
	if names.Installation("app", "acc", "") == names.Installation("app", "ACC", "") {
		t.Error("two accounts that differ in case have one name")
	}
}
