package subscription

import (
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Membership is what became of subscribing a customer.
type Membership struct {
	// ID is of the subscription; before there is one, the name of the one that was to be created.
	ID string
	// Refused is the reason of the condition EventsSubscribed; empty of who is subscribed.
	Refused string
	// At is when it was recorded, and Since when it was refused so first.
	Since, At time.Time
}

// subscribed stands for a membership that was not refused.
const subscribed = "-"

// MembershipOf is that of the consent that an installation has, and of the subscription that it was
// recorded for; the zero value when none is recorded of that consent.
func MembershipOf(in *v1alpha1.ZoomInstallation) Membership {
	var consent, at, since string
	var m Membership
	// The last one is not in what versions before it recorded.
	if n, _ := fmt.Sscanf(in.Annotations[Annotation], "%s %s %s %s %s", &consent, &m.ID, &m.Refused, &at, &since); n < 4 || consent != consentOf(in) {
		return Membership{}
	}
	if m.Refused == subscribed {
		m.Refused = ""
	}
	var err error
	m.At, _ = time.Parse(time.RFC3339, at) // the zero time, if it is none
	if m.Since, err = time.Parse(time.RFC3339, since); err != nil {
		m.Since = m.At
	}
	return m
}

// Text is the annotation of an installation.
func (m Membership) Text(in *v1alpha1.ZoomInstallation) string {
	refused := m.Refused
	if refused == "" {
		refused = subscribed
	}
	return fmt.Sprintf("%s %s %s %s %s", consentOf(in), m.ID, refused, m.At.UTC().Format(time.RFC3339), m.Since.UTC().Format(time.RFC3339))
}

// MembershipChanged reports whether what is recorded differs between two versions of an
// installation.
func MembershipChanged(before, after *v1alpha1.ZoomInstallation) bool {
	return MembershipOf(before).Refused != MembershipOf(after).Refused
}

// consentOf is what distinguishes one consent from the next.
func consentOf(in *v1alpha1.ZoomInstallation) string {
	if in.Spec.Consent == nil {
		return ""
	}
	return in.Spec.Consent.At.UTC().Format(time.RFC3339)
}
