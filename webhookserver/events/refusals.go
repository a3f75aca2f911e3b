package events

import (
	"net/http"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// refusalReasons are the reasons for which an event that may be Zoom's was put off by what may be a
// mistake on this side, as the status of an app calls them. An app that is not there has no status.
var refusalReasons = map[string]v1alpha1.RefusalReason{
	reasonSignature:               v1alpha1.RefusalWrongSignature,
	reasonVerificationToken:       v1alpha1.RefusalWrongVerificationToken,
	telemetry.ReasonNoCredentials: v1alpha1.RefusalNoCredentials,
	reasonStale:                   v1alpha1.RefusalStale,
	recording.ReasonFuture:        v1alpha1.RefusalFuture,
	telemetry.ReasonNoApp:         "",
}

// mistake says whether a response may be owed to a mistake on this side: to a secret, a clock or a
// name that is not what it should be. What is certainly not Zoom's shows none.
func mistake(r response, info *requestInfo, hdr http.Header) (reason v1alpha1.RefusalReason, ok bool) {
	reason, known := refusalReasons[r.reason]
	if !known || r.code != http.StatusServiceUnavailable {
		return "", false
	}
	return reason, r.reason != telemetry.ReasonNoCredentials || credible(info.app, hdr)
}
