// Package webhookserver is the public listener: it receives Zoom's webhooks, verifies them, and answers only what the API
// server has stored. Every replica runs one; no leader is needed.
package webhookserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Limits of the listener. Zoom gives up after 3 s; an answer has to leave well before that.
const (
	// maxBody is the largest body that is read. Zoom publishes no maximum; meeting events are below 5 KB, and those of
	// recordings tens of KB.
	maxBody = 1 << 20
	// answerWithin is the deadline for reading, verifying and storing one event. On a flooded machine a connection waits half a
	// second and more before anything here sees it, and every answer has to be out within 2.5 s of its first byte.
	answerWithin = 2 * time.Second
	// maxHeader is the largest header that is read.
	maxHeader = 16 << 10
	// maxRequests is how many requests are worked on at the same time. More of them than the committer lets wait, so that it is
	// the committer that gives up participants' events first.
	maxRequests = 4096
	// maxSmall is the largest body that a request may hold without asking. Events of meetings are smaller.
	maxSmall = 16 << 10
	// maxLarge is how many bytes the larger bodies may hold together. Anybody can send one, before any signature is checked.
	maxLarge    = 64 << 20
	idleTimeout = 2 * time.Minute
	// drainWithin is how long a stopping server waits for the answers that are under way: the longest is to a consent.
	drainWithin = completeWithin + 2*time.Second
)

// Options say where the server listens.
type Options struct {
	// BindAddress is host:port.
	BindAddress string
	// TLSCertFile and TLSKeyFile make the listener speak TLS; they are read again when they change. Both or neither.
	TLSCertFile, TLSKeyFile string
	// ExternalURL is what Zoom and browsers reach the server by: a scheme and a host. Without it nobody can install an app.
	ExternalURL string
}

// Server is the public listener as a part of a manager: it starts after the caches and stops before them.
type Server struct {
	options Options
	handler http.Handler
	// background is what runs as long as the server does.
	background []func(context.Context) error
	listening  atomic.Bool
}

var (
	_ manager.Runnable               = &Server{}
	_ manager.LeaderElectionRunnable = &Server{}
)

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations;zoommeetings,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps/status;zoominstallations/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update

// SetupWithManager adds the server to a manager, with a readiness check that fails until it listens.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	if (options.TLSCertFile == "") != (options.TLSKeyFile == "") {
		return errors.New("a TLS certificate and its key go together: set both files or neither")
	}
	if err := indexInstallations(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	// The manager waits for informers that exist when it starts. One that began with the first event would make it wait.
	deleted := &deletions{now: time.Now}
	for _, obj := range []client.Object{&v1alpha1.ZoomApp{}, &v1alpha1.ZoomInstallation{}, &v1alpha1.ZoomMeeting{}} {
		informer, err := mgr.GetCache().GetInformer(context.Background(), obj, cache.BlockUntilSynced(false))
		if _, ok := obj.(*v1alpha1.ZoomInstallation); ok && err == nil {
			_, err = informer.AddEventHandler(deleted.handler())
		}
		if err != nil {
			return fmt.Errorf("watching %T: %w", obj, err)
		}
	}
	logger := mgr.GetLogger().WithName("webhooks")
	installations := &record.Committer[*v1alpha1.ZoomInstallation]{
		Writer: mgr.GetClient(), Cache: mgr.GetClient(), Live: mgr.GetAPIReader(),
		New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
	}
	secrets := &credentials{live: mgr.GetAPIReader(), now: time.Now, logger: logger}
	health := newHealth(mgr.GetClient(), time.Now, logger)
	health.live = mgr.GetAPIReader()
	handler := &webhookHandler{
		cache:   mgr.GetClient(),
		live:    mgr.GetAPIReader(),
		secrets: secrets,
		health:  health,
		deleted: deleted,
		now:     time.Now,
		logger:  logger,
		meetings: &record.Committer[*v1alpha1.ZoomMeeting]{
			Writer: mgr.GetClient(), Cache: mgr.GetClient(), Live: mgr.GetAPIReader(),
			New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
		},
		installations: installations,
		slots:         make(chan struct{}, maxRequests),
		large:         semaphore.NewWeighted(maxLarge),
	}
	consents := &consentHandler{
		cache:         mgr.GetClient(),
		live:          mgr.GetAPIReader(),
		writer:        mgr.GetClient(),
		secrets:       secrets,
		installations: installations,
		zoom:          zoom.NewHTTPClient(),
		externalURL:   options.ExternalURL,
		now:           time.Now,
		logger:        mgr.GetLogger().WithName("consents"),
		slots:         make(chan struct{}, maxVisits),
		waits:         defaultWaits(),
	}
	mux := http.NewServeMux()
	mux.Handle(webhookPath, handler)
	consents.register(mux)
	s := &Server{
		options: options,
		handler: guard(mux, logger),
		background: []func(context.Context) error{
			func(ctx context.Context) error { return secrets.run(ctx, mgr.GetClient()) },
			health.run,
		},
	}
	if err := mgr.AddReadyzCheck("webhook-server", s.ready); err != nil {
		return err
	}
	return mgr.Add(s)
}

// NeedLeaderElection says that every replica listens.
func (*Server) NeedLeaderElection() bool { return false }

func (s *Server) ready(*http.Request) error {
	if !s.listening.Load() {
		return errors.New("the webhook server does not listen yet")
	}
	return nil
}

// Start listens until ctx ends, then answers what is under way and returns.
func (s *Server) Start(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, groupCtx := errgroup.WithContext(background)
	defer stop()
	listener, err := s.listen(groupCtx, group)
	if err != nil {
		return err
	}
	for _, run := range s.background {
		group.Go(func() error { return run(groupCtx) })
	}
	// What runs in the background goes on until the last answer is out; when any of it fails, the server stops.
	ctx, stopServing := context.WithCancel(ctx)
	defer stopServing()
	context.AfterFunc(groupCtx, stopServing)
	group.Go(func() error {
		defer stop()
		defer s.listening.Store(false)
		drain := drainWithin
		server := manager.Server{
			Name:            "webhooks",
			Listener:        listener,
			ShutdownTimeout: &drain,
			Server: &http.Server{
				Handler:           s.handler,
				ReadHeaderTimeout: answerWithin,
				IdleTimeout:       idleTimeout,
				MaxHeaderBytes:    maxHeader,
				// Broken handshakes and the like are the noise of every public port; panics are logged by guard.
				ErrorLog: log.New(io.Discard, "", 0),
			},
		}
		s.listening.Store(true)
		return server.Start(ctx)
	})
	return group.Wait()
}

// guard turns a panic into a 500 and a log line that tells where it was. What it panicked with stays out of the log: it may be
// a part of the request.
func guard(next http.Handler, logger logr.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				logger.Error(errPanicked, "a request could not be answered", "stack", string(debug.Stack()))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

var errPanicked = errors.New("the handler panicked")

func (s *Server) listen(ctx context.Context, group *errgroup.Group) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.BindAddress)
	if err != nil {
		return nil, fmt.Errorf("the webhook server cannot listen: %w", err)
	}
	if s.options.TLSCertFile == "" {
		return listener, nil
	}
	watcher, err := certwatcher.New(s.options.TLSCertFile, s.options.TLSKeyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the webhook server's TLS files cannot be read: %w", err), listener.Close())
	}
	group.Go(func() error { return watcher.Start(ctx) })
	return tls.NewListener(listener, &tls.Config{
		GetCertificate: watcher.GetCertificate,
		MinVersion:     tls.VersionTLS12, // what Zoom asks for
		NextProtos:     []string{"http/1.1"},
	}), nil
}

// object is what a log line says of a Kubernetes object.
func object(obj client.Object) []any {
	return []any{"namespace", obj.GetNamespace(), "name", obj.GetName()}
}
