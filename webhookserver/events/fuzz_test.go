package events

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

var lowerHex = regexp.MustCompile(`^v0=[0-9a-f]{64}$`)

// FuzzHandler holds that an event is recorded exactly when its signature is valid. What is
// authenticated says an oracle that shares no code with the handler. What is not recorded is
// answered 503 exactly when its headers are well-formed. The event is always one that can be
// stored; the rest of the request is the fuzzer's.
func FuzzHandler(f *testing.F) {
	const newest = "test-secret-token-0002"
	at := time.Unix(1772442005, 0)
	sent := strconv.FormatInt(at.Unix(), 10)
	// How a request is signed, what of it is changed afterwards, and how old it is.
	const (
		asGiven = iota
		withNewest
		withOldest
		withAnother
		withNothing
		withoutVersion
		modes
	)
	f.Add("Weekly sync", sent, "", uint8(withNewest), uint16(0), byte(0))
	f.Add("Réunion 日本語 🚒", sent, "", uint8(withOldest), uint16(0), byte(0))
	f.Add("changed on the way", sent, "", uint8(withNewest), uint16(60), byte(1))
	f.Add("signed by somebody else", sent, "", uint8(withAnother), uint16(0), byte(0))
	f.Add("signed with nothing", sent, "", uint8(withNothing), uint16(0), byte(0))
	f.Add("another text is signed", sent, "", uint8(withoutVersion), uint16(0), byte(0))
	f.Add("not signed", "", "", uint8(asGiven), uint16(0), byte(0))
	f.Add("as old as may be", strconv.FormatInt(at.Unix()-7200, 10), "", uint8(withNewest), uint16(0), byte(0))
	f.Add("too old", strconv.FormatInt(at.Unix()-7201, 10), "", uint8(withNewest), uint16(0), byte(0))
	f.Add("ahead as far as may be", strconv.FormatInt(at.Unix()+300, 10), "", uint8(withNewest), uint16(0), byte(0))
	f.Add("too far ahead", strconv.FormatInt(at.Unix()+301, 10), "", uint8(withNewest), uint16(0), byte(0))
	f.Add("in milliseconds", sent+"000", "", uint8(withNewest), uint16(0), byte(0))
	f.Add("with a sign", "+"+sent, "", uint8(withNewest), uint16(0), byte(0))
	f.Add("with space", " "+sent, "", uint8(withNewest), uint16(0), byte(0))
	f.Add("before 1970", "-1", "", uint8(withNewest), uint16(0), byte(0))
	f.Add("a signature out of thin air", sent, "v0=f1ddc58fa302375aff53c8486de0f88a1359a1a59a9fda34283d77a558973bc4", uint8(asGiven), uint16(0), byte(0))

	handler, c := offline(f, func() time.Time { return at }, fixture.AppOf("fuzz"), newest+"\n"+fixture.SecretToken)
	var last atomic.Int64
	f.Fuzz(func(t *testing.T, topic, timestamp, signature string, mode uint8, place uint16, change byte) {
		number := 88000000000 + last.Add(1)
		body := fmt.Appendf(nil, `{"event":"meeting.created","event_ts":%d,"payload":{"account_id":"AccT","object":{"id":%d,"host_id":"hOsT","topic":%s}}}`,
			at.UnixMilli(), number, quoted(topic))
		switch mode % modes {
		case withNewest:
			signature = "v0=" + fixture.Mac(newest, "v0:"+timestamp+":"+string(body))
		case withOldest:
			signature = "v0=" + fixture.Mac(fixture.SecretToken, "v0:"+timestamp+":"+string(body))
		case withAnother:
			signature = "v0=" + fixture.Mac("another", "v0:"+timestamp+":"+string(body))
		case withNothing:
			signature = "v0=" + fixture.Mac("", "v0:"+timestamp+":"+string(body))
		case withoutVersion:
			signature = "v0=" + fixture.Mac(newest, timestamp+":"+string(body))
		}
		body[int(place)%len(body)] ^= change

		authenticated := false
		for _, token := range []string{newest, fixture.SecretToken} {
			authenticated = authenticated || signature == "v0="+fixture.Mac(token, "v0:"+timestamp+":"+string(body))
		}
		seconds, err := strconv.ParseUint(timestamp, 10, 62) // no sign, no space
		wellFormed := err == nil && len(timestamp) <= 18 && lowerHex.MatchString(signature)
		authenticated = authenticated && wellFormed &&
			int64(seconds) >= at.Unix()-7200 && int64(seconds) <= at.Unix()+300

		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook("fuzz", fixture.AppName), bytes.NewReader(body))
		// As they are, and not as a client would have them.
		req.Header["X-Zm-Request-Timestamp"] = []string{timestamp}
		req.Header["X-Zm-Signature"] = []string{signature}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)

		err = c.Get(t.Context(), types.NamespacedName{Namespace: "fuzz", Name: fmt.Sprintf("%s-%d", fixture.AppName, number)}, &v1alpha1.ZoomMeeting{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		if recorded := err == nil; recorded != authenticated {
			t.Errorf("recorded: %v, authenticated: %v, answered %d; timestamp %q, signature %q, body %q", recorded, authenticated, w.Code, timestamp, signature, body)
		}
		want := http.StatusUnauthorized
		switch {
		case authenticated:
			want = http.StatusNoContent
		case wellFormed: // it may be Zoom's, and be taken with the secret that is in the Secret by then
			want = http.StatusServiceUnavailable
		}
		if w.Code != want {
			t.Errorf("answered %d, want %d", w.Code, want)
		}
	})
}

// quoted is a JSON string of the given one, whatever bytes are in it.
func quoted(s string) string {
	var b bytes.Buffer
	b.WriteByte('"')
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r&0xffff)
	}
	b.WriteByte('"')
	return b.String()
}
