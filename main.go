// The Zoom operator receives Zoom's webhooks for every account that installed a Zoom app, and keeps installations and
// meetings as Kubernetes resources.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the image has no time zones, and meetings are told in theirs

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers"
	"github.com/zoom-operator/zoom-operator/webhookserver"
)

// leaderElectionID is the name of the lease.
const leaderElectionID = "controllers.zoom-operator.io"

func main() {
	logger := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, nil))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "zoom-operator:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	externalURL   string
	probeAddress  string
	metrics       metricsserver.Options
	metricsSecure bool
	leaderElect   bool
	controllers   bool
	namespaces    string
	kubeconfig    string
	webhooks      webhookserver.Options
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("zoom-operator", flag.ContinueOnError)
	flags.StringVar(&o.webhooks.BindAddress, "webhook-bind-address", ":8080", "where the public listener for webhooks and consent listens")
	flags.StringVar(&o.externalURL, "external-url", "", "what Zoom and browsers reach the public listener by, for example https://zoom.example.org")
	flags.StringVar(&o.webhooks.TLSCertFile, "tls-cert-file", "", "certificate chain of the public listener; read again when it changes")
	flags.StringVar(&o.webhooks.TLSKeyFile, "tls-key-file", "", "private key of the public listener; read again when it changes")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flags.StringVar(&o.metrics.BindAddress, "metrics-bind-address", ":8443", "where /metrics is served; 0 for nowhere")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "serve metrics by TLS, and only to those whom the API server lets get /metrics")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "let one replica of several run the controllers")
	flags.BoolVar(&o.controllers, "controllers", true, "run controllers; false for replicas that only receive")
	flags.StringVar(&o.namespaces, "watch-namespaces", "", "namespaces to work in, separated by commas; empty for all")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig for a run outside a cluster")
	flags.SetOutput(io.Discard) // main prints the error, once
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stderr)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", flags.Arg(0))
	}
	return o, o.check()
}

// check finds what would otherwise only fail later, at the first use.
func (o *options) check() error {
	var errs []error
	for _, address := range []struct{ flag, value string }{
		{"webhook-bind-address", o.webhooks.BindAddress},
		{"health-probe-bind-address", o.probeAddress},
		{"metrics-bind-address", o.metrics.BindAddress},
	} {
		if !listenable(address.value) && (address.value != "0" || address.flag != "metrics-bind-address") {
			errs = append(errs, fmt.Errorf("--%s must be host:port or :port, not %q", address.flag, address.value))
		}
	}
	if o.externalURL != "" {
		u, err := url.Parse(o.externalURL)
		if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Trim(u.Path, "/") != "" {
			errs = append(errs, fmt.Errorf("--external-url must be a scheme and a host, for example https://zoom.example.org, not %q", o.externalURL))
		}
		o.externalURL = strings.TrimRight(o.externalURL, "/")
	}
	errs = append(errs, o.checkTLS())
	if o.namespaces != "" && len(o.watched()) == 0 {
		errs = append(errs, fmt.Errorf("--watch-namespaces names no namespace: %q; leave it out to work in all of them", o.namespaces))
	}
	for _, ns := range o.watched() {
		if msgs := validation.IsDNS1123Label(ns); len(msgs) > 0 {
			errs = append(errs, fmt.Errorf("--watch-namespaces holds %q, which is not the name of a namespace", ns))
		}
	}
	return errors.Join(errs...)
}

// listenable says whether an address is one that can be listened on.
func listenable(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func (o *options) checkTLS() error {
	cert, key := o.webhooks.TLSCertFile, o.webhooks.TLSKeyFile
	switch {
	case cert == "" && key == "":
		return nil
	case cert == "" || key == "":
		return errors.New("--tls-cert-file and --tls-key-file go together: set both or neither")
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("--tls-cert-file and --tls-key-file must be a certificate chain and its key, in PEM: %w", err)
	}
	return nil
}

func (o *options) watched() []string {
	var out []string
	for ns := range strings.SplitSeq(o.namespaces, ",") {
		if ns = strings.TrimSpace(ns); ns != "" {
			out = append(out, ns)
		}
	}
	return out
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	config, namespace, err := kubernetes(o.kubeconfig)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, o.manager())
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	o.webhooks.ExternalURL = o.externalURL
	if err := webhookserver.SetupWithManager(mgr, o.webhooks); err != nil {
		return fmt.Errorf("setting up the webhook server: %w", err)
	}
	if o.controllers {
		if err := o.control(mgr, namespace); err != nil {
			return fmt.Errorf("setting up the controllers: %w", err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}

// control adds the controllers to the manager: at once, or for when this replica leads.
func (o *options) control(mgr ctrl.Manager, namespace string) error {
	if err := controllers.Index(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	setUp := func(mgr ctrl.Manager) error {
		return controllers.SetupWithManager(mgr, controllers.Options{ExternalURL: o.externalURL, Now: time.Now})
	}
	if !o.leaderElect {
		return setUp(mgr)
	}
	lock, err := leaderelection.NewResourceLock(mgr.GetConfig(), mgr, leaderelection.Options{
		LeaderElection: true, LeaderElectionID: leaderElectionID, LeaderElectionNamespace: namespace, RenewDeadline: renewDeadline,
	})
	if err != nil {
		return fmt.Errorf("the lease of the leader: %w", err)
	}
	return mgr.Add(&leadership{Manager: mgr, lock: lock, controllers: setUp})
}

// kubernetes is how to reach the API server, and the namespace that this run is in.
func kubernetes(kubeconfig string) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("no way to the API server; outside a cluster, set --kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("finding the namespace of this run: %w", err)
	}
	// The API server shares itself out among its clients by priority and fairness. A limit on this side would only hold up
	// events that Zoom wants answered within three seconds.
	config.QPS = -1
	return config, namespace, nil
}

func (o *options) manager() ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds of one name, which no run of this binary gets past
		}
	}
	options := ctrl.Options{
		Scheme:                 scheme,
		HealthProbeBindAddress: o.probeAddress,
		Metrics:                o.metrics,
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		// Secrets are read one by one, so that the operator need not be allowed to list them.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	if o.metricsSecure && o.metrics.BindAddress != "0" {
		options.Metrics.SecureServing = true
		options.Metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	if watched := o.watched(); len(watched) > 0 {
		options.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, ns := range watched {
			options.Cache.DefaultNamespaces[ns] = cache.Config{}
		}
	}
	return options
}
