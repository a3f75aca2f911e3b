// Package subscription says which event subscription an app is to have at Zoom, and keeps what is
// known of the one that is there: in annotations, from which it is known after every crash, and
// from which conditions follow.
package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// participantScope allows the events of participants.
const participantScope = "meeting:read:participant"

// hashDigits is how much of a digest is in the name of a subscription.
const hashDigits = 8

// Wanted is the subscription that an app is to have; nil when it is to have none. Its name says of
// which app it is and, by a digest, of which events and where: one that has the name needs no
// change.
func Wanted(app *v1alpha1.ZoomApp, externalURL string) *zoom.Subscription {
	if app.Spec.EventSubscription == nil || !app.DeletionTimestamp.IsZero() {
		return nil
	}
	s := &zoom.Subscription{Scope: zoom.ScopeUser, Events: events(app), URL: externalURL + urls.Webhook(app.Namespace, app.Name)}
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		s.Scope = zoom.ScopeAccount
	}
	s.Name = app.Name + "-" + Shown(*s)
	return s
}

// events are those of an app's subscription, sorted.
func events(app *v1alpha1.ZoomApp) []string {
	var names []string
	for _, name := range app.Spec.EventSubscription.Events {
		names = append(names, string(name))
	}
	if len(names) == 0 {
		names = slices.Clone(zoom.EventsOfMeetings)
		if app.Spec.Participants != v1alpha1.ParticipantsNone && mayCount(app.Spec.Scopes) {
			names = append(names, zoom.EventsOfParticipants...)
		}
	}
	return sorted(names)
}

// mayCount says whether an app that declares these scopes can be sent events of participants. One
// that declares none may have any.
func mayCount(scopes []v1alpha1.Scope) bool {
	return len(scopes) == 0 || slices.ContainsFunc(scopes, func(s v1alpha1.Scope) bool {
		return strings.HasPrefix(string(s), participantScope) || s == "meeting:read" || s == "meeting:read:admin"
	})
}

// Scopes are those that the events need, as far as that is known, in the form of the app, sorted.
func Scopes(app *v1alpha1.ZoomApp, events []string) []string {
	var scopes []string
	for _, event := range events {
		scope := zoom.EventScope(event)
		if scope != "" && app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
			scope += ":admin"
		}
		if scope != "" && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	slices.Sort(scopes)
	return scopes
}

var digest = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Ours says whether a subscription was made by this operator for the app, whatever its events are.
func Ours(app *v1alpha1.ZoomApp, s zoom.Subscription, url string) bool {
	hash, named := strings.CutPrefix(s.Name, app.Name+"-")
	return !s.BuildFlow && named && digest.MatchString(hash) && s.URL == url
}

// Shown is a digest of what Zoom shows of a subscription, as far as Same compares it. Of one that
// is wanted it is the digest in its name.
func Shown(s zoom.Subscription) string {
	text, err := json.Marshal([]any{s.URL, s.Scope, sorted(s.Events)})
	if err != nil {
		panic(err) // these types always have a JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// Same says whether a subscription has the events of the one that is wanted, of the same customers
// and to the same URL.
func Same(s, wanted zoom.Subscription) bool {
	return s.URL == wanted.URL && s.Scope == wanted.Scope && slices.Equal(sorted(s.Events), sorted(wanted.Events))
}

// sorted has each event once.
func sorted(events []string) []string { return slices.Compact(slices.Sorted(slices.Values(events))) }
