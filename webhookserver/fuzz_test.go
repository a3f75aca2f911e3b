package webhookserver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// FuzzHandler holds that an event is recorded exactly when its signature is genuine. What is genuine says an oracle that
// shares no code with the handler. The event is always one that can be stored; the rest of the request is the fuzzer's.
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

	handler, c := offline(f, func() time.Time { return at }, appOf("fuzz"), newest+"\n"+secretToken)
	var last atomic.Int64
	f.Fuzz(func(t *testing.T, topic, timestamp, signature string, mode uint8, place uint16, change byte) {
		number := 88000000000 + last.Add(1)
		body := fmt.Appendf(nil, `{"event":"meeting.created","event_ts":%d,"payload":{"account_id":"AccT","object":{"id":%d,"host_id":"hOsT","topic":%s}}}`,
			at.UnixMilli(), number, quoted(topic))
		switch mode % modes {
		case withNewest:
			signature = "v0=" + mac(newest, "v0:"+timestamp+":"+string(body))
		case withOldest:
			signature = "v0=" + mac(secretToken, "v0:"+timestamp+":"+string(body))
		case withAnother:
			signature = "v0=" + mac("another", "v0:"+timestamp+":"+string(body))
		case withNothing:
			signature = "v0=" + mac("", "v0:"+timestamp+":"+string(body))
		case withoutVersion:
			signature = "v0=" + mac(newest, timestamp+":"+string(body))
		}
		body[int(place)%len(body)] ^= change

		genuine := false
		for _, token := range []string{newest, secretToken} {
			genuine = genuine || signature == "v0="+mac(token, "v0:"+timestamp+":"+string(body))
		}
		seconds, err := strconv.ParseUint(timestamp, 10, 62) // no sign, no space
		genuine = genuine && err == nil && len(timestamp) <= 18 &&
			int64(seconds) >= at.Unix()-7200 && int64(seconds) <= at.Unix()+300

		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/fuzz/"+appName, bytes.NewReader(body))
		// As they are, and not as a client would have them.
		req.Header["X-Zm-Request-Timestamp"] = []string{timestamp}
		req.Header["X-Zm-Signature"] = []string{signature}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)

		err = c.Get(t.Context(), types.NamespacedName{Namespace: "fuzz", Name: fmt.Sprintf("%s-%d", appName, number)}, &v1alpha1.ZoomMeeting{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		if recorded := err == nil; recorded != genuine {
			t.Errorf("recorded: %v, genuine: %v, answered %d; timestamp %q, signature %q, body %q", recorded, genuine, w.Code, timestamp, signature, body)
		}
		if want := map[bool]int{true: http.StatusNoContent, false: http.StatusUnauthorized}[genuine]; w.Code != want {
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
