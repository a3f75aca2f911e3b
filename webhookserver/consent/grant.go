package consent

import (
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// consentTime is when a consent was given: what Zoom says, by whose clock removals are dated too,
// and not what the clock here says. Where Zoom's is further off than signatures may be, one of the
// two is wrong, and events are compared with the one here.
func consentTime(answered, asked, now time.Time) time.Time {
	if answered.Before(asked.Add(-zoom.MaxClockSkew)) || answered.After(now.Add(zoom.MaxClockSkew)) {
		return asked // also where Zoom says nothing
	}
	return answered
}

// grant is a consent that Zoom has confirmed.
type grant struct {
	oauth *zoom.OAuth
	token *zoom.Token
	user  *zoom.User
	// asked is when Zoom was asked for the token, by the clock here, and at is when the consent was
	// given: a removal that is later than this ends it.
	asked, at time.Time
	// invited is the installation that the invitation is for; nil without one.
	invited *v1alpha1.ZoomInstallation
	// flow is the id of the flow that led here.
	flow string
	// client is what the token was issued to.
	client tokens.Client
}

// kept is the token as it is kept.
func (g grant) kept() tokens.Token {
	t := tokens.New(g.token, g.asked)
	t.ConsentedAt = g.at
	t.Client = g.client
	return t
}

// consent records the consent that a token is worth. With the token of another flow, which met
// this one, it is that one's.
func (g grant) consent(in *v1alpha1.ZoomInstallation, token tokens.Token) {
	installation.MergeConsent(&in.Spec, token.ConsentedAt, token.Scopes)
	delete(in.Annotations, v1alpha1.ConsentUnderWayAnnotation)
	if in.Labels == nil {
		in.Labels = map[string]string{}
	}
	in.Labels[v1alpha1.ConsentFlowLabel] = g.flow
}
