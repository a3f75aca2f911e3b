package e2e

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// brink sees every step that the operator takes for one installation, at the API server or at Zoom,
// and holds one of them, for the operator to be killed there: before the step has an effect, or
// after it, when nobody has heard of it yet.
type brink struct {
	mu      sync.Mutex
	at      string // the step to hold; empty for none
	after   bool
	steps   []string
	held    bool
	slipped bool // the operator did not wait to be killed
	killed  bool
}

// arm forgets the steps so far, and holds that one of those to come.
func (b *brink) arm(at string, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at, b.after = at, after
	b.steps, b.held, b.slipped, b.killed = nil, false, false, false
}

// seen are the steps so far.
func (b *brink) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.steps)
}

// nth is the name of a step that is taken for the nth time. Whatever is done beside it, it is the
// same in every run.
func nth(what string, n int) string { return fmt.Sprintf("%s (%d)", what, n) }

// pass takes a step, or holds it until whoever asked for it is gone.
func (b *brink) pass(w http.ResponseWriter, r *http.Request, what string, do http.Handler) {
	b.mu.Lock()
	n := 1
	for slices.Contains(b.steps, nth(what, n)) {
		n++
	}
	b.steps = append(b.steps, nth(what, n))
	hold := !b.killed && nth(what, n) == b.at
	b.mu.Unlock()
	if !hold {
		do.ServeHTTP(w, r)
		return
	}
	// A server hears of a client that is gone only after it has read the request.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if b.after {
		do.ServeHTTP(httptest.NewRecorder(), r)
	}
	b.mu.Lock()
	b.held = true
	b.mu.Unlock()
	<-r.Context().Done()
	b.mu.Lock()
	b.slipped = !b.killed
	b.mu.Unlock()
	panic(http.ErrAbortHandler)
}

// zoomOnTheBrink is a Zoom whose every step passes a brink.
func zoomOnTheBrink(t *testing.T, b *brink, server http.Handler) v1alpha1.Cloud {
	t.Helper()
	return newCloud(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.pass(w, r, r.Method+" "+r.URL.Path+" at Zoom", server)
	}))
}

// gate is an API server before which every change to an installation, or to what belongs to it,
// passes the brink of its namespace.
type gate struct {
	kubeconfig string
	mu         sync.Mutex
	brinks     map[string]*brink
}

// changed is the namespace of what a request changes, and what that is. What a meeting's status
// says does not matter here.
var changed = regexp.MustCompile(`^/api(?:s/zoom-operator\.io)?/v1(?:alpha1)?/namespaces/([^/]+)/(secrets(?:/.*)?|zoominstallations(?:/.*)?|zoommeetings(?:/[^/]+)?)$`)

// oneMeeting is one of several meetings, in no order.
var oneMeeting = regexp.MustCompile(`^zoommeetings/.+$`)

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{kubeconfig: system.Folder.File("gate.kubeconfig"), brinks: map[string]*brink{}}
	server, err := url.Parse(system.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	trusting := rest.AnonymousClientConfig(system.Config) // requests bring the operator's own token along
	transport, err := rest.TransportFor(trusting)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(server) },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0), // of clients that are killed
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := changed.FindStringSubmatch(r.URL.Path)
		// When an event arrived is reported now and then, and nothing hangs on it.
		if r.Method == http.MethodGet || found == nil || strings.HasPrefix(r.URL.Query().Get("fieldManager"), "zoom-webhook-") {
			proxy.ServeHTTP(w, r)
			return
		}
		g.mu.Lock()
		b := g.brinks[found[1]]
		g.mu.Unlock()
		if b == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		b.pass(w, r, r.Method+" "+oneMeeting.ReplaceAllString(found[2], "zoommeetings/*"), proxy)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	t.Cleanup(front.Close)
	g.write(t, front)
	return g
}

// write writes the kubeconfig of an operator that goes through the gate.
func (g *gate) write(t *testing.T, front *httptest.Server) {
	t.Helper()
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.OperatorNamespace, Name: cluster.Single.Account}}
	if err := system.Client.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	const name = "gate"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   front.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}),
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: cluster.OperatorNamespace}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, g.kubeconfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(g.kubeconfig); err != nil {
			t.Error(err)
		}
	})
}

// lead leads what happens in a namespace to a brink.
func (g *gate) lead(namespace string, b *brink) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.brinks[namespace] = b
}
