package webhookserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/webhookserver/consent"
	"github.com/zoom-operator/zoom-operator/webhookserver/events"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// Options say where the server listens.
type Options struct {
	// BindAddress is host:port.
	BindAddress string
	// TLSCertFile and TLSKeyFile make the listener speak TLS; they are read again when they change.
	// Both or neither.
	TLSCertFile, TLSKeyFile string
	// ExternalURL is what Zoom and browsers reach the server by: a scheme and a host. Without it no
	// customer can install an app.
	ExternalURL string
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For or Forwarded is believed,
	// in which they name the client of a request. None: limits per address hold only for clients
	// that connect from a public address.
	TrustedProxies []netip.Prefix
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	// NamespaceSelector is of the labels of the namespaces whose apps are served; nil or empty for
	// all.
	NamespaceSelector labels.Selector
	// WatchMeetings says that meetings are in the manager's cache anyway, for its controllers.
	// Without it, none is in memory for longer than a moment.
	WatchMeetings bool
	// Tracing begins the traces of webhooks and of consents; nil for none.
	Tracing *tracing.Tracer
}

// listener is the public listener as a part of a manager: it starts after the caches and stops
// before them.
type listener struct {
	options Options
	handler http.Handler
	// background is what runs as long as the server does.
	background []func(context.Context) error
	logger     logr.Logger
	listening  atomic.Bool
}

var (
	_ manager.Runnable               = &listener{}
	_ manager.LeaderElectionRunnable = &listener{}
)

// SetupWithManager adds the server to a manager, with a readiness check that fails until it
// listens.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	if (options.TLSCertFile == "") != (options.TLSKeyFile == "") {
		return errors.New("a TLS certificate and its key go together: set both files or neither")
	}
	if err := recording.AddIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := consent.AddIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	// The manager waits for informers that exist when it starts. One that began with the first
	// event would make it wait.
	for _, obj := range []client.Object{&v1alpha1.ZoomApp{}, &v1alpha1.ZoomInstallation{}} {
		if _, err := mgr.GetCache().GetInformer(context.Background(), obj, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching %T: %w", obj, err)
		}
	}
	served, err := selected.Watch(context.Background(), mgr.GetCache(), options.NamespaceSelector)
	if err != nil {
		return err
	}
	var meetings client.Reader
	kept := quota.Bound(quota.Ask(mgr.GetAPIReader(), time.Now))
	if options.WatchMeetings {
		meetings = mgr.GetClient()
		if kept, err = quota.Watch(context.Background(), mgr.GetCache(), time.Now); err != nil {
			return err
		}
	}
	logger := mgr.GetLogger().WithName("webhooks")
	installations := &commit.Committer[*v1alpha1.ZoomInstallation]{
		Writer: mgr.GetClient(), Cache: mgr.GetClient(), Live: mgr.GetAPIReader(),
		New:      func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
		Observer: telemetry.CommitsOf("installation"),
	}
	secrets := credentials.NewSource(mgr.GetAPIReader(), time.Now, logger)
	ended := tombstones.New(mgr.GetClient(), mgr.GetAPIReader(), time.Now)
	from := limits.NewCallers(options.TrustedProxies, time.Now, logger)
	webhooks := events.New(events.Config{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Meetings: meetings, Credentials: secrets, Tombstones: ended, Quota: kept,
		Namespaces: served, Installations: installations, Callers: from, Tracing: options.Tracing, Now: time.Now, Logger: logger,
	})
	pages := consent.New(consent.Config{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Credentials: secrets, Tombstones: ended,
		Namespaces: served, Installations: installations, Callers: from, Clouds: options.Clouds, ExternalURL: options.ExternalURL,
		Tracing: options.Tracing, Now: time.Now, Logger: mgr.GetLogger().WithName("consents"),
	})
	mux, nowhere := http.NewServeMux(), http.HandlerFunc(pages.Nowhere)
	webhooks.Register(mux)
	pages.Register(mux)
	s := &listener{
		options: options,
		logger:  logger,
		handler: guard(withoutRedirects(orNowhere(mux, nowhere), nowhere), logger),
		background: []func(context.Context) error{
			func(ctx context.Context) error { return secrets.Run(ctx, mgr.GetClient()) },
			webhooks.Run,
			pages.Run,
		},
	}
	if err := mgr.AddReadyzCheck("webhook-server", s.ready); err != nil {
		return err
	}
	return mgr.Add(s)
}

// NeedLeaderElection says that every replica listens.
func (*listener) NeedLeaderElection() bool { return false }

func (s *listener) ready(*http.Request) error {
	if !s.listening.Load() {
		return errors.New("the webhook server does not listen yet")
	}
	return nil
}

// Start listens until ctx ends, then answers what is under way and returns.
func (s *listener) Start(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, groupCtx := errgroup.WithContext(background)
	defer stop()
	failures := &listenerErrors{now: time.Now, logger: s.logger}
	listener, limited, err := s.listen(groupCtx, group, failures)
	if err != nil {
		return err
	}
	for _, run := range s.background {
		group.Go(func() error { return run(groupCtx) })
	}
	// What runs in the background goes on until the last answer is out; when any of it fails, the
	// server stops.
	ctx, stopServing := context.WithCancel(ctx)
	defer stopServing()
	context.AfterFunc(groupCtx, stopServing)
	group.Go(func() error {
		defer stop()
		defer s.listening.Store(false)
		drain := limits.DrainWithin
		server := manager.Server{
			Name:            "webhooks",
			Listener:        listener,
			ShutdownTimeout: &drain,
			Server: &http.Server{
				Handler:           s.handler,
				ReadHeaderTimeout: limits.HeaderWithin,
				ReadTimeout:       limits.RequestWithin,
				WriteTimeout:      limits.WriteWithin,
				IdleTimeout:       limits.IdleTimeout,
				MaxHeaderBytes:    limits.MaxHeader,
				ConnContext:       limits.WithConnection,
				ConnState:         limited.State,
				ErrorLog:          failures.log(), // panics are logged by guard
			},
		}
		s.listening.Store(true)
		return server.Start(ctx)
	})
	return group.Wait()
}

// listen returns what to serve, and the limit on connections in it.
func (s *listener) listen(ctx context.Context, group *errgroup.Group, failures *listenerErrors) (net.Listener, *limits.Connections, error) {
	port, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.BindAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("the webhook server cannot listen: %w", err)
	}
	listener := limits.LimitConnections(watched{port, failures}, limits.MaxConnections)
	if s.options.TLSCertFile == "" {
		return listener, listener, nil
	}
	watcher, err := certwatcher.New(s.options.TLSCertFile, s.options.TLSKeyFile)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the webhook server's TLS files cannot be read: %w", err), listener.Close())
	}
	watcher.RegisterCallback(noteExpiry)
	group.Go(func() error { return watcher.Start(ctx) })
	return tls.NewListener(listener, &tls.Config{
		GetCertificate: watcher.GetCertificate,
		MinVersion:     tls.VersionTLS12, // what Zoom asks for
		NextProtos:     []string{"http/1.1"},
	}), listener, nil
}
