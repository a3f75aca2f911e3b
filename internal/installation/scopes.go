package installation

import (
	"slices"
	"strings"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// MissingScopes are those that an app needs and that were not granted. A consent without scopes in
// Zoom's answer is taken to cover them.
func MissingScopes(needed, granted []v1alpha1.Scope) (missing []v1alpha1.Scope) {
	if len(granted) == 0 {
		return nil
	}
	for _, scope := range needed {
		if !slices.ContainsFunc(granted, func(g v1alpha1.Scope) bool { return covers(g, scope) }) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// MayBeGranted reports whether a consent has a scope, in a user's form or an admin's, or may have
// it: where Zoom did not say what was granted.
func MayBeGranted(scope v1alpha1.Scope, granted []v1alpha1.Scope) bool {
	return slices.ContainsFunc([]v1alpha1.Scope{"", ":admin", ":master"}, func(level v1alpha1.Scope) bool {
		return len(MissingScopes([]v1alpha1.Scope{scope + level}, granted)) == 0
	})
}

// classicWords are the first words of the classic scopes that covered the granular ones of a first
// word, where that is not the same alone. Zoom publishes no such table; this one is from its API
// reference, which lists both for each endpoint, and its lists of classic and of granular scopes.
// Where a word was split, each part of it covers: which endpoint needs which of them is not in a
// scope, and a consent that covers all it can must not be taken for one that lacks something.
var classicWords = map[string][]string{
	"archiving":       {"recording"},
	"cloud_recording": {"recording"},
	"contact_group":   {"imgroup"},
	"dashboard": {
		"dashboard", "dashboard_crc", "dashboard_home", "dashboard_im", "dashboard_meetings", "dashboard_webinars", "dashboard_zr",
	},
	"marketplace": {"marketplace_app"},
	"phone":       {"phone", "phone_call_log", "phone_recording", "phone_sms", "phone_voicemail"},
	"report":      {"report", "report_chat", "imchat"},
	"team_chat":   {"chat", "chat_channel", "chat_contact", "chat_message"},
	"zoom_rooms":  {"room"},
}

// covers reports whether a granted scope is the one that is needed, or a classic one that allows as
// much. Zoom has split those: meeting:read:list_meetings:admin was part of meeting:read:admin, and
// every action but reading was writing, which allowed reading as well. Consents to an app that was
// migrated since keep the classic ones. A user's scope never covers an admin's.
func covers(granted, needed v1alpha1.Scope) bool {
	if granted == needed {
		return true
	}
	parts, level := strings.Split(string(needed), ":"), ""
	if last := parts[len(parts)-1]; last == "admin" || last == "master" {
		parts, level = parts[:len(parts)-1], ":"+last
	}
	var words []string
	switch len(parts) {
	case 2: // classic itself
		if parts[1] != "read" {
			return false
		}
		words = parts[:1]
	case 3:
		words = classicWords[parts[0]]
		if words == nil {
			words = parts[:1]
		}
	}
	return slices.ContainsFunc(words, func(word string) bool {
		is := func(action string) bool { return string(granted) == word+":"+action+level }
		return is("write") || parts[1] == "read" && is("read")
	})
}
