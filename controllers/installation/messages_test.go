package installation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// untold are the parts of an address, and words of who said something of it, none of which is for
// people who only look.
var untold = []string{"10.11.12.13", "6443", "[fd00:", "inside.example", ":53", "proxy.example", "dial", "tcp", "x509", "lookup", "127.0.0.1", "SSH-2.0"}

// failures are errors as they come of a connection, a resolver, a proxy, a certificate or an API
// server.
func failures() *rapid.Generator[error] {
	at := &net.TCPAddr{IP: net.ParseIP("10.11.12.13"), Port: 6443}
	root := rapid.SampledFrom([]error{
		&net.OpError{Op: "dial", Net: "tcp", Addr: at, Err: syscall.ECONNREFUSED},
		&net.OpError{Op: "dial", Net: "tcp", Addr: at, Err: syscall.EHOSTUNREACH},
		&net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.ParseIP("fd00::1"), Port: 6443}, Addr: at, Err: syscall.ECONNRESET},
		&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("proxy.example:3128 says no")},
		&net.DNSError{Err: "no such host", Name: "inside.example", Server: "127.0.0.1:53"},
		&tls.CertificateVerificationError{Err: x509.HostnameError{Host: "inside.example", Certificate: &x509.Certificate{DNSNames: []string{"other.inside.example"}}}},
		errors.New(`malformed HTTP response "SSH-2.0-OpenSSH_9.9" from 10.11.12.13:6443`),
		context.DeadlineExceeded,
		&zoom.StatusError{Status: 502}, &zoom.StatusError{Status: 400, Code: "4700"}, &zoom.RateLimited{RetryAfter: 7 * time.Second},
		apierrors.NewInternalError(errors.New(`failed calling webhook: Post "https://10.11.12.13:6443/validate": dial tcp 10.11.12.13:6443: connect: connection refused`)),
		apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "grace-token", errors.New("denied by inside.example:6443")),
		apierrors.NewTimeoutError("10.11.12.13:6443 did not answer", 1),
	})
	return rapid.Custom(func(t *rapid.T) error {
		err := root.Draw(t, "cause")
		for range rapid.IntRange(0, 3).Draw(t, "depth") {
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				err = &url.Error{Op: "Post", URL: "https://inside.example:6443/oauth/token", Err: err}
			case 1:
				class := rapid.SampledFrom([]error{zoom.ErrNotSent, zoom.ErrClient, zoom.ErrGrant, zoom.ErrToken, zoom.ErrScope}).Draw(t, "class")
				err = fmt.Errorf("%w: %w", class, err)
			default:
				err = fmt.Errorf("asking 10.11.12.13:6443: %w", err)
			}
		}
		return err
	})
}

// Whatever goes wrong at Zoom or on the way there, what conditions and Events tell of it is the
// class of it: whoever may only look at resources learns no address, no port, and nothing of who
// listens there.
func TestWhatPeopleReadTellsNoAddress(t *testing.T) {
	failure := failures()
	rapid.Check(t, func(rt *rapid.T) {
		err := failure.Draw(rt, "error")
		deleted := rapid.Bool().Draw(rt, "deleted")
		in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "grace", UID: "uid"}}
		in.Spec = v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}}
		if deleted {
			in.DeletionTimestamp = testclock.At("-1m")
		}
		app := appWith(v1alpha1.TokenPolicyContinuous)
		f := &facts{app: app, clientSecrets: []string{clientSecret}, token: tokenOf(rapid.SampledFrom([]string{"-10m", "-59m", "-2h"}).Draw(rt, "age"))}
		if rapid.Bool().Draw(rt, "unexplained") {
			f.token.UnexplainedSince = testclock.Noon.Add(-unexplainedFor)
		}
		if rapid.Bool().Draw(rt, "refused before") {
			f.token.Refusal, f.token.RefusedAt = tokens.RefusedRevoked, testclock.Noon.Add(-time.Minute)
			f.token.RetryAt = testclock.Noon.Add(time.Hour)
		}
		r := &Reconciler{Now: func() time.Time { return testclock.Noon }}
		var said []string
		if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown { // it is the API server's
			said = append(said, notMarked(in, f, err).Error())
		} else if failure := r.failed(rt.Context(), in, f, err); len(failure.Cause) > 200 { // of 256 that the Secret holds
			rt.Fatalf("%q takes %d bytes", failure.Cause, len(failure.Cause))
		}
		status := statusOf(testclock.Noon, in, f)
		said = append(said, f.vain, notRevoked(f.vain).Note)
		for _, c := range status.Conditions {
			said = append(said, c.Message)
		}
		for _, n := range eventsOf(in, status) {
			said = append(said, n.Note)
		}
		if meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady) == nil || f.vain == "" {
			rt.Fatal("nothing is said at all")
		}
		for _, text := range said {
			for _, word := range untold {
				if strings.Contains(text, word) {
					rt.Fatalf("%q is told of in: %s", err, text)
				}
			}
		}
	})
}
