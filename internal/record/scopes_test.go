package record_test

import (
	"slices"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
)

func TestMissingScopes(t *testing.T) {
	type scopes = []v1alpha1.Scope
	for name, tc := range map[string]struct{ needed, granted, want scopes }{
		"nothing is needed":                              {granted: scopes{"meeting:read:meeting"}},
		"everything was granted":                         {needed: scopes{"meeting:read:meeting"}, granted: scopes{"user:read:user", "meeting:read:meeting"}},
		"one was not":                                    {needed: scopes{"meeting:read:meeting", "user:read:user"}, granted: scopes{"user:read:user"}, want: scopes{"meeting:read:meeting"}},
		"Zoom did not tell":                              {needed: scopes{"meeting:read:meeting"}},
		"the classic scope covers a granular one":        {needed: scopes{"meeting:read:meeting"}, granted: scopes{"meeting:read"}},
		"also an admin's":                                {needed: scopes{"meeting:read:list_meetings:admin"}, granted: scopes{"meeting:read:admin"}},
		"every action but reading was classic writing":   {needed: scopes{"meeting:update:meeting"}, granted: scopes{"meeting:write"}},
		"classic reading covers no writing":              {needed: scopes{"meeting:update:meeting"}, granted: scopes{"meeting:read"}, want: scopes{"meeting:update:meeting"}},
		"a user's classic scope covers no admin's":       {needed: scopes{"meeting:read:meeting:admin"}, granted: scopes{"meeting:read"}, want: scopes{"meeting:read:meeting:admin"}},
		"a classic scope that is needed is needed as is": {needed: scopes{"meeting:read"}, granted: scopes{"meeting:read:meeting"}, want: scopes{"meeting:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := record.MissingScopes(tc.needed, tc.granted); !slices.Equal(got, tc.want) {
				t.Errorf("missing are %v, want %v", got, tc.want)
			}
		})
	}
}
