package installation_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

func TestMissingScopes(t *testing.T) {
	type scopes = []v1alpha1.Scope
	for name, tc := range map[string]struct{ needed, granted, want scopes }{
		"nothing is needed":                                    {granted: scopes{"meeting:read:meeting"}},
		"everything was granted":                               {needed: scopes{"meeting:read:meeting"}, granted: scopes{"user:read:user", "meeting:read:meeting"}},
		"one was not":                                          {needed: scopes{"meeting:read:meeting", "user:read:user"}, granted: scopes{"user:read:user"}, want: scopes{"meeting:read:meeting"}},
		"Zoom did not tell":                                    {needed: scopes{"meeting:read:meeting"}},
		"the classic scope covers a granular one":              {needed: scopes{"meeting:read:meeting"}, granted: scopes{"meeting:read"}},
		"also an admin's":                                      {needed: scopes{"meeting:read:list_meetings:admin"}, granted: scopes{"meeting:read:admin"}},
		"every action but reading was classic writing":         {needed: scopes{"meeting:update:meeting"}, granted: scopes{"meeting:write"}},
		"classic reading covers no writing":                    {needed: scopes{"meeting:update:meeting"}, granted: scopes{"meeting:read"}, want: scopes{"meeting:update:meeting"}},
		"a user's classic scope covers no admin's":             {needed: scopes{"meeting:read:meeting:admin"}, granted: scopes{"meeting:read"}, want: scopes{"meeting:read:meeting:admin"}},
		"a classic scope that is needed is needed as is":       {needed: scopes{"meeting:read"}, granted: scopes{"meeting:read:meeting"}, want: scopes{"meeting:read"}},
		"classic writing covers reading":                       {needed: scopes{"meeting:read:meeting"}, granted: scopes{"meeting:write"}},
		"an admin's too":                                       {needed: scopes{"meeting:read:participant:admin"}, granted: scopes{"meeting:write:admin"}},
		"classic writing covers classic reading":               {needed: scopes{"meeting:read"}, granted: scopes{"meeting:write"}},
		"classic reading covers no classic writing":            {needed: scopes{"meeting:write"}, granted: scopes{"meeting:read"}, want: scopes{"meeting:write"}},
		"a user's classic scope covers no admin's classic one": {needed: scopes{"meeting:read:admin"}, granted: scopes{"meeting:read", "meeting:write"}, want: scopes{"meeting:read:admin"}},
		"an admin's classic scope covers no user's":            {needed: scopes{"meeting:read:meeting"}, granted: scopes{"meeting:read:admin"}, want: scopes{"meeting:read:meeting"}},
		"granular writing covers no reading":                   {needed: scopes{"meeting:read:meeting"}, granted: scopes{"meeting:write:meeting"}, want: scopes{"meeting:read:meeting"}},
		"no word covers another":                               {needed: scopes{"meeting:read:meeting"}, granted: scopes{"recording:read", "user:write"}, want: scopes{"meeting:read:meeting"}},
		"writing covers nothing but reading":                   {needed: scopes{"imchat:bot"}, granted: scopes{"imchat:write"}, want: scopes{"imchat:bot"}},
		"recordings":                                           {needed: scopes{"cloud_recording:read:list_user_recordings:admin"}, granted: scopes{"recording:read:admin"}},
		"recordings that are deleted":                          {needed: scopes{"cloud_recording:delete:recording_file"}, granted: scopes{"recording:write"}},
		"archived recordings":                                  {needed: scopes{"archiving:read:list_archived_files:admin"}, granted: scopes{"recording:read:admin"}},
		"chat channels":                                        {needed: scopes{"team_chat:read:list_user_channels"}, granted: scopes{"chat_channel:read"}},
		"chat messages":                                        {needed: scopes{"team_chat:write:user_message:admin"}, granted: scopes{"chat_message:write:admin"}},
		"chat contacts":                                        {needed: scopes{"team_chat:read:contact"}, granted: scopes{"chat_contact:read"}},
		"spaces of a chat":                                     {needed: scopes{"team_chat:update:pin_message"}, granted: scopes{"chat:write"}},
		"the dashboard of meetings":                            {needed: scopes{"dashboard:read:list_meetings:admin"}, granted: scopes{"dashboard_meetings:read:admin"}},
		"the dashboard of rooms":                               {needed: scopes{"dashboard:read:zoomroom:admin"}, granted: scopes{"dashboard_zr:read:admin"}},
		"a dashboard as a whole":                               {needed: scopes{"dashboard:read:meeting:admin"}, granted: scopes{"dashboard:read:admin"}},
		"groups of contacts":                                   {needed: scopes{"contact_group:read:list_groups:admin"}, granted: scopes{"imgroup:read:admin"}},
		"reports of chats":                                     {needed: scopes{"report:read:list_chat_sessions:admin"}, granted: scopes{"report_chat:read:admin"}},
		"rooms":                                                {needed: scopes{"zoom_rooms:read:list_rooms:admin"}, granted: scopes{"room:read:admin"}},
		"recordings of calls":                                  {needed: scopes{"phone:read:list_call_recordings:admin"}, granted: scopes{"phone_recording:read:admin"}},
		"apps":                                                 {needed: scopes{"marketplace:read:app"}, granted: scopes{"marketplace_app:read"}},
		"webinars":                                             {needed: scopes{"webinar:read:list_webinars"}, granted: scopes{"webinar:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := installation.MissingScopes(tc.needed, tc.granted); !slices.Equal(got, tc.want) {
				t.Errorf("missing are %v, want %v", got, tc.want)
			}
		})
	}
}

func TestMayBeGranted(t *testing.T) {
	for name, tc := range map[string]struct {
		scope   v1alpha1.Scope
		granted []v1alpha1.Scope
		want    bool
	}{
		"the same":                            {"meeting:read:list_meetings", []v1alpha1.Scope{"meeting:read:list_meetings"}, true},
		"an admin's is more than a user's":    {"meeting:read:list_meetings", []v1alpha1.Scope{"meeting:read:list_meetings:admin"}, true},
		"a user's is less than an admin's":    {"meeting:read:list_meetings:admin", []v1alpha1.Scope{"meeting:read:list_meetings"}, false},
		"a master account's is the most":      {"meeting:read:list_meetings:admin", []v1alpha1.Scope{"meeting:read:list_meetings:master"}, true},
		"an admin's is less than a master's":  {"meeting:read:list_meetings:master", []v1alpha1.Scope{"meeting:read:list_meetings:admin"}, false},
		"an admin's classic one":              {"meeting:read:list_meetings", []v1alpha1.Scope{"meeting:read:admin"}, true},
		"a user's classic one, of an admin's": {"meeting:read:list_meetings:admin", []v1alpha1.Scope{"meeting:write"}, false},
		"another":                             {"meeting:read:list_meetings", []v1alpha1.Scope{"meeting:read:meeting:master"}, false},
		"what Zoom did not say":               {"meeting:read:list_meetings:admin", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := installation.MayBeGranted(tc.scope, tc.granted); got != tc.want {
				t.Errorf("MayBeGranted(%s, %v) = %t, want %t", tc.scope, tc.granted, got, tc.want)
			}
		})
	}
}

// Participants' events come with a scope of their own: an admin who follows README or the docs, or
// begins with the sample must have it.
func TestParticipantsScopeIsNamed(t *testing.T) {
	for _, file := range []string{"../../README.md", "../../docs/connecting.md", "../../config/samples/zoomapp.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "meeting:read:participant") {
			t.Errorf("%s does not name meeting:read:participant", file)
		}
	}
}
