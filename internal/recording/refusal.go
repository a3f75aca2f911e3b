package recording

import (
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reasons in zoom_operator_webhooks_total why an event is not recorded.
const (
	reasonUnknownEvent    = "unknown_event"           // an event that this version does not know
	ReasonNoEffect        = "no_effect"               // an event that changes nothing here
	ReasonIgnored         = "unknown_account_ignored" // of an account that has not consented, in an app with unknownAccounts: Ignore
	ReasonRemoved         = "installation_removed"    // of a customer who has removed the app, or of a host who was deleted at Zoom
	ReasonNoInstallation  = "no_such_installation"    // a removal of which no consent is known
	ReasonOtherClient     = "other_client"            // a removal of another app
	ReasonHostUnknown     = "host_unknown"            // of a meeting whose host is not known, or not yet
	reasonTooManyMeetings = "too_many_meetings"       // a new meeting of a customer who has as many as the app keeps
	reasonMakingRoom      = "making_room"             // the same, while older ones are being deleted
	ReasonFuture          = "future_event"            // ahead of the clock here
)

// reasonStored is no reason not to be recorded.
const reasonStored = "stored"

// RefusedError is the error of an event that is not recorded although nothing failed.
type RefusedError struct {
	// Reason is one of the reasons.
	Reason string
	// Later means that the event is to be tried again: what it depends on can change.
	Later bool
}

func (r *RefusedError) Error() string { return "the event is not recorded because of " + r.Reason }

// later has an event tried again.
func later(reason string) error { return &RefusedError{Reason: reason, Later: true} }

// drop takes an event that is not to be recorded.
func drop(reason string) error { return &RefusedError{Reason: reason} }

// NeverValid says whether the API server refuses what an event says, so that it will never take it:
// the schema has no room for a value in the spec. A policy of the cluster's admins answers with the
// same reason, and so does the API server about what is not the event's; both can change.
func NeverValid(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return false
	}
	return !slices.ContainsFunc(status.ErrStatus.Details.Causes, func(c metav1.StatusCause) bool {
		return !strings.HasPrefix(c.Field, "spec.")
	})
}
