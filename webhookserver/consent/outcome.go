package consent

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// outcome is what came of a code.
type outcome struct {
	reason string
	// installation and uid are those of the installation that the consent went into; empty when it
	// went into none.
	installation string
	uid          types.UID
	// final says that the code is spent, dead, or has perhaps reached Zoom: it must not be sent
	// again.
	final bool
	// asked says that Zoom was asked about the code.
	asked      bool
	retryAfter time.Duration
	err        error // for the log; never shown outside
}

// outcomeOf is the outcome of an error before the code was used.
func outcomeOf(err error) outcome {
	if problem, ok := errors.AsType[*pageError](err); ok {
		return outcome{reason: problem.reason, err: problem.err}
	}
	return outcome{reason: telemetry.ReasonNotStored, err: err}
}

// unspent says whether a failed exchange certainly left the code as it was. After any other it must
// not be sent again: a code that comes twice ends what was given for it.
func unspent(err error) bool {
	_, limited := errors.AsType[*zoom.RateLimited](err)
	return limited || errors.Is(err, zoom.ErrClient) || errors.Is(err, zoom.ErrNotSent)
}

// zoomFailed is what comes of an answer of Zoom that is none.
func zoomFailed(err error, now time.Time) outcome {
	limited, isLimited := errors.AsType[*zoom.RateLimited](err)
	switch {
	case isLimited:
		return outcome{reason: reasonRateLimited, err: err, retryAfter: max(limited.Wait(now), time.Second)}
	case errors.Is(err, zoom.ErrGrant):
		return outcome{reason: reasonCode} // any stranger can make codes up, so it is only counted
	case errors.Is(err, zoom.ErrToken): // the same person consented once more in another tab, and only the newer token is good
		return outcome{reason: reasonSuperseded, err: err}
	case errors.Is(err, zoom.ErrClient):
		return outcome{reason: reasonClient, err: err}
	case errors.Is(err, zoom.ErrScope):
		return outcome{reason: reasonScope, err: err}
	}
	return outcome{reason: reasonZoomUnreachable, err: err}
}

// connected is what comes of a consent that is in an installation. With an invitation for another
// one, the consent renewed what the consenter had, and the invitation is still open.
func connected(in, invited *v1alpha1.ZoomInstallation) outcome {
	o := outcome{reason: reasonInstalled, installation: in.Name, uid: in.UID, final: true}
	if invited != nil && invited.Name != in.Name {
		o.reason = reasonAlreadyInstalled
	}
	return o
}
