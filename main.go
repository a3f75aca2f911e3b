// The Zoom operator receives Zoom's webhooks for every account that installed a Zoom app, and keeps
// installations and meetings as Kubernetes resources.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the image has no time zones, and messages have meetings' times in theirs

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/kinds"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/managedfields"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/webhookserver"
)

const (
	// leaderElectionID is the name of the lease, which is in the operator's namespace; the Role of
	// config/rbac names it, too. It does not depend on the namespaces that a process watches:
	// during a rollout that changes them, old and new replicas must not both lead.
	leaderElectionID = "controllers.zoom-operator.io"
	// off is the address that disables a listener.
	off = "0"
	// stopWithin is how long a stopping process may take. A refresh in flight has an answer after
	// 20 s, or gave up, and stores it within a minute: a process that is killed earlier may lose a
	// refresh token. The grace period of the controller's Deployment is longer.
	stopWithin = 90 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "zoom-operator:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	version       bool
	logs          logs.Options
	externalURL   string
	probeAddress  string
	metrics       metricsserver.Options
	metricsSecure bool
	pprofAddress  string
	leaderElect   bool
	lease         string
	controllers   bool
	namespaces    string
	selector      string
	selected      labels.Selector
	kubeconfig    string
	namespaceGoes time.Duration
	proxies       string
	tracing       tracing.Options
	clouds        clouds.Others
	webhooks      webhookserver.Options
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("zoom-operator", flag.ContinueOnError)
	flags.BoolVar(&o.version, "version", false, "print the version, and that of Go, and end")
	flags.StringVar(&o.logs.Level, "log-level", "info", "the least that is logged: error, warn for what failed and is tried again too, info for what changes, or debug, which tells of each request why it was refused")
	flags.StringVar(&o.logs.Format, "log-format", "json", "how a line of the log is written: json or text")
	flags.StringVar(&o.webhooks.BindAddress, "webhook-bind-address", ":8080", "where the public listener for webhooks and consent listens; 0 for nowhere, to only run controllers")
	flags.StringVar(&o.externalURL, "external-url", "", "what Zoom and browsers reach the public listener by, for example https://zoom.example.org")
	flags.StringVar(&o.webhooks.TLSCertFile, "tls-cert-file", "", "certificate chain of the public listener; read again when it changes")
	flags.StringVar(&o.webhooks.TLSKeyFile, "tls-key-file", "", "private key of the public listener; read again when it changes")
	flags.StringVar(&o.proxies, "trusted-proxies", "", "addresses of the ingress or load balancer before the public listener, as CIDRs separated by commas; their X-Forwarded-For or Forwarded is believed, so everybody in them can speak for any client. They have to add to that header, or replace it")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flags.StringVar(&o.metrics.BindAddress, "metrics-bind-address", ":8443", "where /metrics is served; 0 for nowhere")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "serve metrics by TLS, and only to those whom the API server lets get /metrics")
	flags.StringVar(&o.pprofAddress, "pprof-bind-address", off, "where profiles are served, as go tool pprof takes them, for example 127.0.0.1:6060, which kubectl port-forward reaches; 0 for nowhere")
	flags.StringVar(&o.tracing.Endpoint, "otlp-endpoint", "", "where traces are sent by OTLP over HTTP, for example http://collector.observability:4318; empty for nowhere. OpenTelemetry's OTEL_EXPORTER_OTLP_* variables set the rest, such as headers")
	flags.Float64Var(&o.tracing.Ratio, "trace-sampling-ratio", 1, "the part of the traces that is sent, from 0 to 1; all processes of one operator need the same")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "let one replica of several run the controllers; a replica that loses the lease ends")
	flags.StringVar(&o.lease, "leader-election-id", leaderElectionID, "name of the lease; two operators in one namespace need two")
	flags.BoolVar(&o.controllers, "controllers", true, "run controllers; false to only receive")
	flags.StringVar(&o.namespaces, "watch-namespaces", "", "namespaces to work in, separated by commas; empty for all")
	flags.StringVar(&o.selector, "namespace-selector", "", "labels of the namespaces whose apps are served, as kubectl takes them, for example zoom=allowed; empty for all")
	flags.DurationVar(&o.namespaceGoes, "namespace-deletion-timeout", 5*time.Minute, "how long a namespace that is being deleted waits for Zoom to take the revocations of its installations; afterwards it goes without")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig for a run outside a cluster")
	flags.Var(&o.clouds, "cloud", "a cloud that apps can name in spec.cloud besides Commercial and Government, as NAME=WEB_URL,API_URL; for tests, since every credential of such an app is sent there; may be repeated")
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
	if o.version {
		return o, nil
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
		if !listenable(address.value) && (address.value != off || address.flag == "health-probe-bind-address") {
			errs = append(errs, fmt.Errorf("--%s must be host:port or :port, not %q", address.flag, address.value))
		}
	}
	if o.externalURL != "" {
		u, err := url.Parse(o.externalURL)
		if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Trim(u.Path, "/") != "" {
			errs = append(errs, fmt.Errorf("--external-url must be a scheme and a host, for example https://zoom.example.org, not %q", o.externalURL))
		}
		if err == nil && u.Scheme == "http" && u.Hostname() != "" && !loopback(u.Hostname()) {
			errs = append(errs, fmt.Errorf("--external-url must be https, not %q: http would send people's consents unencrypted, and is for 127.0.0.1, ::1 and localhost alone", o.externalURL))
		}
		o.externalURL = strings.TrimRight(o.externalURL, "/")
	}
	errs = append(errs, o.checkProfiles(), o.logs.Check(), o.tracing.Check(), o.checkTLS(), o.checkProxies(), o.checkSelector())
	if !o.receives() && !o.controllers {
		errs = append(errs, errors.New("--webhook-bind-address=0 and --controllers=false leave nothing to do: set one of them at most"))
	}
	if o.namespaces != "" && len(o.watched()) == 0 {
		errs = append(errs, fmt.Errorf("--watch-namespaces names no namespace: %q; leave it out to work in all of them", o.namespaces))
	}
	if o.namespaceGoes < 0 {
		errs = append(errs, fmt.Errorf("--namespace-deletion-timeout must not be negative: %s", o.namespaceGoes))
	}
	if msgs := validation.IsDNS1123Subdomain(o.lease); len(msgs) > 0 {
		errs = append(errs, fmt.Errorf("--leader-election-id is %q, which cannot be the name of a lease", o.lease))
	}
	for _, ns := range o.watched() {
		if msgs := validation.IsDNS1123Label(ns); len(msgs) > 0 {
			errs = append(errs, fmt.Errorf("--watch-namespaces holds %q, which is not the name of a namespace", ns))
		}
	}
	return errors.Join(errs...)
}

// loopback reports whether a host is this machine, by an address or by the one name that is always
// so.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// listenable reports whether an address is one that can be listened on.
func listenable(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func (o *options) checkProfiles() error {
	host, _, err := net.SplitHostPort(o.pprofAddress)
	if o.pprofAddress == off || err == nil && listenable(o.pprofAddress) && loopback(host) {
		return nil
	}
	return fmt.Errorf("--pprof-bind-address must be a port of 127.0.0.1, ::1 or localhost, for example 127.0.0.1:6060, not %q: profiles have no protection; kubectl port-forward reaches them there", o.pprofAddress)
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

// checkProxies reads --trusted-proxies.
func (o *options) checkProxies() error {
	for _, text := range listed(o.proxies) {
		prefix, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil || prefix.Addr().Is4In6():
			return fmt.Errorf("--trusted-proxies holds %q, which is neither an address nor a CIDR, for example 10.20.0.7 or 10.20.0.0/28", text)
		case prefix.Bits() == 0:
			return fmt.Errorf("--trusted-proxies holds %q: then anybody could say to be anybody; name the addresses of your ingress", text)
		}
		o.webhooks.TrustedProxies = append(o.webhooks.TrustedProxies, prefix.Masked())
	}
	return nil
}

// checkSelector reads --namespace-selector.
func (o *options) checkSelector() error {
	if o.selector == "" {
		return nil
	}
	var err error
	if o.selected, err = labels.Parse(o.selector); err != nil {
		return fmt.Errorf("--namespace-selector must be a selector of labels, for example zoom=allowed, not %q", o.selector)
	}
	if o.namespaces != "" {
		return errors.New("--namespace-selector and --watch-namespaces do not go together: an operator of a few namespaces may not read the labels of any; name those that it is to serve")
	}
	return nil
}

func (o *options) watched() []string { return listed(o.namespaces) }

// listed are the parts of a value that is separated by commas.
func listed(value string) []string {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Println(versionLine())
		return err
	}
	logger := logs.New(os.Stderr, o.logs, time.Now)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, namespace, err := kubernetes(o.kubeconfig)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, o.manager(namespace))
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}
	o.webhooks.ExternalURL, o.webhooks.Clouds, o.webhooks.NamespaceSelector = o.externalURL, o.clouds, o.selected
	o.webhooks.WatchMeetings = o.controllers
	traces, err := tracing.New(context.Background(), o.tracing, releaseOf(debug.ReadBuildInfo()), logger.WithName("tracing"))
	if err != nil {
		return fmt.Errorf("setting up the traces: %w", err)
	}
	defer traces.Shutdown(context.Background())
	o.webhooks.Tracing = traces
	if o.receives() {
		if err := webhookserver.SetupWithManager(mgr, o.webhooks); err != nil {
			return fmt.Errorf("setting up the webhook server: %w", err)
		}
	}
	var refreshes sync.WaitGroup
	if o.controllers {
		if err := o.control(mgr, &refreshes, traces); err != nil {
			return fmt.Errorf("setting up the controllers: %w", err)
		}
	}
	// Without any check there would be no /readyz, which a process without the listener needs as
	// well.
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	err = mgr.Start(ctrl.SetupSignalHandler())
	// A manager that lost its lease waits for nothing, and the process ends with it. The answers to
	// refreshes in flight must still be stored. The next leader cannot interfere meanwhile: the
	// begun refresh in the token's Secret fences it off.
	refreshes.Wait()
	return err
}

// receives reports whether this process has the public listener.
func (o *options) receives() bool { return o.webhooks.BindAddress != off }

// control adds the controllers to the manager. They add each refresh in flight to refreshes.
func (o *options) control(mgr ctrl.Manager, refreshes *sync.WaitGroup, traces *tracing.Tracer) error {
	if err := controllers.Index(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return controllers.SetupWithManager(mgr, controllers.Options{
		ExternalURL: o.externalURL, Clouds: o.clouds, NamespaceSelector: o.selected, Now: time.Now, Refreshes: refreshes,
		NamespaceDeletionTimeout: o.namespaceGoes, Tracing: traces,
	})
}

// kubernetes is the configuration for the API server, and the namespace that this process runs in.
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
	// The API server limits its clients by API Priority and Fairness. A limit on this side would
	// only delay events that Zoom wants answered within three seconds.
	config.QPS = -1
	return config, namespace, nil
}

func (o *options) manager(namespace string) ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds of one name, a mistake that every run finds
		}
	}
	// Secrets are read one by one, so that the operator need not be allowed to list them. A process
	// that only receives has no use for all the meetings, and reads the one that an event is about.
	uncached := []client.Object{&corev1.Secret{}}
	if !o.controllers {
		uncached = append(uncached, &v1alpha1.ZoomMeeting{})
	}
	options := ctrl.Options{
		Scheme:                 scheme,
		MapperProvider:         kinds.NewMapper,
		HealthProbeBindAddress: o.probeAddress,
		// Receivers take no part in leader election: their listener needs no leader.
		LeaderElection:                o.leaderElect && o.controllers,
		LeaderElectionID:              o.lease,
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(stopWithin),
		Metrics:                       o.metrics,
		PprofBindAddress:              o.pprofAddress,
		Cache:                         cache.Options{DefaultTransform: managedfields.Strip},
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: uncached}},
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
