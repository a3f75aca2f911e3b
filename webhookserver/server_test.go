package webhookserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// certificate writes a new certificate for 127.0.0.1 and its key.
func certificate(t testing.TB, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Duration(serial) * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

func TestCertificateIsReplacedWithoutARestart(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	first := certificate(t, certFile, keyFile, 1)
	r := servertest.StartReplica(t, namespace, servertest.WithTLS(certFile, keyFile))
	sendTo := func(ctx context.Context, cert *x509.Certificate, number int64) error {
		pool := x509.NewCertPool()
		pool.AddCert(cert)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		z := r.Zoom(t, namespace, func(config *zoomtest.Config) {
			config.Endpoint = strings.Replace(config.Endpoint, "http:", "https:", 1)
			config.Transport = transport
		})
		status, err := z.Send(ctx, fixture.Weekly("AccT", "hOsT", number).Created(fixture.MinutesAgo(1)))
		if err == nil && status != 204 {
			err = fmt.Errorf("answered %d", status)
		}
		return err
	}
	if err := sendTo(t.Context(), first, 85000000001); err != nil {
		t.Fatal(err)
	}
	second := certificate(t, certFile, keyFile, 2)
	fixture.Eventually(t, "the new certificate is served", func() error { return sendTo(t.Context(), second, 85000000002) })
	if err := sendTo(t.Context(), first, 85000000003); err == nil {
		t.Error("the old certificate is still served")
	}
	fixture.Eventually(t, "the expiry of the new certificate is a metric", func() error {
		families, err := metrics.Registry.Gather()
		i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool {
			return f.GetName() == "zoom_operator_tls_certificate_expiry_timestamp_seconds"
		})
		if err != nil || i < 0 {
			return fmt.Errorf("the metric is not there: %w", err)
		}
		if at := families[i].GetMetric()[0].GetGauge().GetValue(); at != float64(second.NotAfter.Unix()) {
			return fmt.Errorf("it is %v, want %v", at, second.NotAfter.Unix())
		}
		return nil
	})
	_, err := tls.DialWithDialer(&net.Dialer{Timeout: fixture.Patience}, "tcp", r.Address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		t.Error("TLS 1.1 is spoken, which is less than Zoom asks for")
	}
	plain := fixture.Do(t, fixture.Request(t, http.MethodPost, "http://"+r.Address+"/", nil))
	if plain.Status != http.StatusBadRequest {
		t.Errorf("HTTP on the port of TLS is answered %d", plain.Status)
	}
}

func TestWrongTLSFilesAreRefusedByASentence(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	certificate(t, path("a.crt"), path("a.key"), 1)
	certificate(t, path("b.crt"), path("b.key"), 2)
	for name, test := range map[string]struct {
		options webhookserver.Options
		want    string
	}{
		"a certificate without a key":      {webhookserver.Options{TLSCertFile: path("a.crt")}, "go together: set both files or neither"},
		"a key without a certificate":      {webhookserver.Options{TLSKeyFile: path("a.key")}, "go together: set both files or neither"},
		"the key of another certificate":   {webhookserver.Options{TLSCertFile: path("a.crt"), TLSKeyFile: path("b.key")}, "the webhook server's TLS files cannot be read: tls: private key does not match public key"},
		"a file that is not there":         {webhookserver.Options{TLSCertFile: path("c.crt"), TLSKeyFile: path("a.key")}, "the webhook server's TLS files cannot be read"},
		"a key where a certificate should": {webhookserver.Options{TLSCertFile: path("a.key"), TLSKeyFile: path("a.key")}, "the webhook server's TLS files cannot be read"},
		"an address that is none":          {webhookserver.Options{BindAddress: "127.0.0.1:99999"}, "the webhook server cannot listen"},
	} {
		t.Run(name, func(t *testing.T) {
			mgr, err := ctrl.NewManager(controlplane.Config(t), ctrl.Options{
				Scheme: controlplane.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if test.options.BindAddress == "" {
				test.options.BindAddress = fixture.FreeAddress(t)
			}
			if err = webhookserver.SetupWithManager(mgr, test.options); err == nil {
				err = mgr.Start(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// What cannot be looked up cannot be answered, so no request is let in before the caches are
// filled.
func TestListensWhenTheCachesAreFilled(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	var n servertest.Network
	config := n.Config(t)
	n.Hangs()
	r := servertest.Launch(t, servertest.WithConfig(config))
	t.Cleanup(n.Works) // a manager does not stop while it fills its caches
	fixture.Eventually(t, "both kinds are being listed", func() error {
		for _, kind := range []string{"/zoomapps", "/zoominstallations"} {
			if n.Waiting(kind) == 0 {
				return errors.New("not " + kind)
			}
		}
		return nil
	})
	fixture.Eventually(t, "the probe listens", func() error { _, err := r.Readiness(t.Context()); return err })
	if status, err := r.Readiness(t.Context()); err != nil || status == http.StatusOK {
		t.Errorf("before the caches are filled, readyz says %d, %v", status, err)
	}
	if err := notListening(t.Context(), r.Address); err != nil {
		t.Errorf("before the caches are filled: %v", err)
	}
	n.Works()
	r.UntilReady(t)
	fixture.Send(t, r.Zoom(t, namespace), fixture.Weekly("AccT", "hOsT", 85000000004).Created(fixture.MinutesAgo(1)), 204)
}

// notListening returns an error when the address has a listener.
func notListening(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil //nolint:nilerr // this is what is wanted
	}
	return errors.Join(errors.New("somebody listens"), conn.Close())
}

func TestStoppingAnswersWhatIsUnderWay(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	arrived, release := make(chan struct{}), make(chan struct{})
	var blocked atomic.Bool
	r := servertest.StartReplica(t, namespace, servertest.WithClient(servertest.Intercepted(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if _, ok := obj.(*v1alpha1.ZoomMeeting); ok && blocked.CompareAndSwap(false, true) {
				close(arrived)
				<-release
			}
			return c.Create(ctx, obj, opts...)
		},
	})))
	type outcome struct {
		status int
		err    error
	}
	answer := make(chan outcome, 1)
	go func() {
		status, err := r.Zoom(t, namespace).Send(t.Context(), fixture.Weekly("AccT", "hOsT", 85000000005).Created(fixture.MinutesAgo(1)))
		answer <- outcome{status, err}
	}()
	<-arrived
	r.Stop()
	fixture.Eventually(t, "nobody new is let in", func() error { return notListening(t.Context(), r.Address) })
	select {
	case err := <-r.Ended:
		t.Fatalf("the manager ended with %v while a request was under way", err)
	case got := <-answer:
		t.Fatalf("answered %d, %v before it was stored", got.status, got.err)
	default:
	}
	close(release)
	if got := <-answer; got.err != nil || got.status != http.StatusNoContent {
		t.Errorf("the request under way was answered %d, %v", got.status, got.err)
	}
	fixture.StoredMeeting(t, c, namespace, 85000000005)
	err := <-r.Ended
	r.Ended <- err // for the cleanup
	if err != nil {
		t.Errorf("the manager ended with %v", err)
	}
}
