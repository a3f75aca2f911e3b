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

// levels are the ends of a scope's forms, of which each allows more than the one before it: a
// user's form has none.
var levels = []string{"", ":admin", ":master"}

// formOf splits a scope into what all of its forms begin with and the index of its level.
func formOf(scope v1alpha1.Scope) (stem string, level int) {
	for level := len(levels) - 1; level > 0; level-- {
		if stem, ok := strings.CutSuffix(string(scope), levels[level]); ok {
			return stem, level
		}
	}
	return string(scope), 0
}

// MayBeGranted reports whether a consent has a scope, in this form or in one that allows more, or
// may have it: where Zoom did not say what was granted.
func MayBeGranted(scope v1alpha1.Scope, granted []v1alpha1.Scope) bool {
	stem, level := formOf(scope)
	return slices.ContainsFunc(levels[level:], func(level string) bool {
		return len(MissingScopes([]v1alpha1.Scope{v1alpha1.Scope(stem + level)}, granted)) == 0
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
	stem, level := formOf(needed)
	parts := strings.Split(stem, ":")
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
		is := func(action string) bool { return string(granted) == word+":"+action+levels[level] }
		return is("write") || parts[1] == "read" && is("read")
	})
}
