package main

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/webhookserver"
)

// wholeMetrics compares what has unexported parts.
var wholeMetrics = cmp.Comparer(func(a, b metricsserver.Options) bool { return reflect.DeepEqual(a, b) })

func TestDefaults(t *testing.T) {
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &options{
		logs:          logs.Options{Level: "info", Format: "json"},
		probeAddress:  ":8081",
		metrics:       metricsserver.Options{BindAddress: ":8443"},
		metricsSecure: true,
		pprofAddress:  "0",
		namespaceGoes: 5 * time.Minute,
		lease:         "controllers.zoom-operator.io",
		controllers:   true,
		tracing:       tracing.Options{Ratio: 1},
		webhooks:      webhookserver.Options{BindAddress: ":8080"},
	}
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(options{}), cmpopts.EquateComparable(netip.Prefix{}), wholeMetrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// keyPair writes a certificate and its key.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	chain, private, err := certutil.GenerateSelfSignedCertKey("zoom.example.org", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	for file, content := range map[string][]byte{cert: chain, key: private} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestFlags(t *testing.T) {
	cert, key := keyPair(t)
	o, err := parse([]string{
		"--webhook-bind-address=127.0.0.1:1", "--external-url=https://zoom.example.org/", "--tls-cert-file=" + cert, "--tls-key-file=" + key,
		"--health-probe-bind-address=[::1]:2", "--metrics-bind-address=0", "--metrics-secure=false", "--pprof-bind-address=[::1]:5", "--leader-elect",
		"--controllers=false", "--leader-election-id=two", "--watch-namespaces= b,a,,", "--kubeconfig=file", "--trusted-proxies=10.1.2.3/8, 2001:db8::1", "--cloud=Local=http://127.0.0.1:3,http://127.0.0.1:4",
		"--namespace-deletion-timeout=1h", "--log-level=debug", "--log-format=text",
		"--otlp-endpoint=http://collector.observability:4318", "--trace-sampling-ratio=0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &options{
		logs:         logs.Options{Level: "debug", Format: "text"},
		externalURL:  "https://zoom.example.org",
		probeAddress: "[::1]:2",
		metrics:      metricsserver.Options{BindAddress: "0"},
		pprofAddress: "[::1]:5",
		leaderElect:  true,
		lease:        "two",
		namespaces:   " b,a,,",
		proxies:      "10.1.2.3/8, 2001:db8::1",
		kubeconfig:   "file",
		clouds:       clouds.Others{"Local": {WebURL: "http://127.0.0.1:3", APIURL: "http://127.0.0.1:4"}},

		namespaceGoes: time.Hour,
		tracing:       tracing.Options{Endpoint: "http://collector.observability:4318", Ratio: .1},
		webhooks: webhookserver.Options{
			BindAddress: "127.0.0.1:1", TLSCertFile: cert, TLSKeyFile: key,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")},
		},
	}
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(options{}), cmpopts.EquateComparable(netip.Prefix{}), wholeMetrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := o.watched(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("watched are %q", got)
	}
}

func TestWrongFlagsStopItWithASentence(t *testing.T) {
	const external = "--external-url must be a scheme and a host, for example https://zoom.example.org, not "
	for name, test := range map[string]struct {
		args []string
		want []string // one line for each thing that is wrong
	}{
		"an argument":                    {[]string{"serve"}, []string{`unexpected argument "serve": everything is set by flags, see --help`}},
		"an argument after flags":        {[]string{"--leader-elect", "true"}, []string{`unexpected argument "true": everything is set by flags, see --help`}},
		"a webhook address without port": {[]string{"--webhook-bind-address=localhost"}, []string{`--webhook-bind-address must be host:port or :port, not "localhost"`}},
		"neither half":                   {[]string{"--webhook-bind-address=0", "--controllers=false"}, []string{"--webhook-bind-address=0 and --controllers=false leave nothing to do: set one of them at most"}},
		"a probe address of 0":           {[]string{"--health-probe-bind-address=0"}, []string{`--health-probe-bind-address must be host:port or :port, not "0"`}},
		"no webhook address":             {[]string{"--webhook-bind-address="}, []string{`--webhook-bind-address must be host:port or :port, not ""`}},
		"a webhook address of a word":    {[]string{"--webhook-bind-address=:web"}, []string{`--webhook-bind-address must be host:port or :port, not ":web"`}},
		"a webhook address beyond ports": {[]string{"--webhook-bind-address=:65536"}, []string{`--webhook-bind-address must be host:port or :port, not ":65536"`}},
		"a probe address without port":   {[]string{"--health-probe-bind-address=8081"}, []string{`--health-probe-bind-address must be host:port or :port, not "8081"`}},
		"a pprof address without port": {[]string{"--pprof-bind-address=6060"}, []string{
			`--pprof-bind-address must be a port of 127.0.0.1, ::1 or localhost, for example 127.0.0.1:6060, not "6060": profiles have no protection; kubectl port-forward reaches them there`,
		}},
		"profiles for everybody": {[]string{"--pprof-bind-address=:6060"}, []string{
			`--pprof-bind-address must be a port of 127.0.0.1, ::1 or localhost, for example 127.0.0.1:6060, not ":6060": profiles have no protection; kubectl port-forward reaches them there`,
		}},
		"a metrics address without port": {[]string{"--metrics-bind-address=8443"}, []string{`--metrics-bind-address must be host:port or :port, not "8443"`}},
		"an external URL without scheme": {[]string{"--external-url=zoom.example.org"}, []string{external + `"zoom.example.org"`}},
		"an external URL without TLS": {[]string{"--external-url=http://zoom.example.org"}, []string{
			`--external-url must be https, not "http://zoom.example.org": http would send people's consents unencrypted, and is for 127.0.0.1, ::1 and localhost alone`,
		}},
		"an external URL that only sounds local": {[]string{"--external-url=http://127.0.0.1.example.org"}, []string{
			`--external-url must be https, not "http://127.0.0.1.example.org": http would send people's consents unencrypted, and is for 127.0.0.1, ::1 and localhost alone`,
		}},
		"an external URL of another kind": {[]string{"--external-url=ftp://zoom.example.org"}, []string{external + `"ftp://zoom.example.org"`}},
		"an external URL without host":    {[]string{"--external-url=https://"}, []string{external + `"https://"`}},
		"an external URL of a port":       {[]string{"--external-url=https://:8443"}, []string{external + `"https://:8443"`}},
		"an external URL with a path":     {[]string{"--external-url=https://zoom.example.org/zoom"}, []string{external + `"https://zoom.example.org/zoom"`}},
		"an external URL with a query":    {[]string{"--external-url=https://zoom.example.org?a=b"}, []string{external + `"https://zoom.example.org?a=b"`}},
		"an external URL with a user":     {[]string{"--external-url=https://ana@zoom.example.org"}, []string{external + `"https://ana@zoom.example.org"`}},
		"an external URL with a fragment": {[]string{"--external-url=https://zoom.example.org#a"}, []string{external + `"https://zoom.example.org#a"`}},
		"a certificate without its key":   {[]string{"--tls-cert-file=crt"}, []string{"--tls-cert-file and --tls-key-file go together: set both or neither"}},
		"a key without its certificate":   {[]string{"--tls-key-file=key"}, []string{"--tls-cert-file and --tls-key-file go together: set both or neither"}},
		"files that are not there": {[]string{"--tls-cert-file=crt", "--tls-key-file=key"}, []string{
			"--tls-cert-file and --tls-key-file must be a certificate chain and its key, in PEM: open crt: no such file or directory",
		}},
		"a collector without a scheme": {[]string{"--otlp-endpoint=collector:4317"}, []string{`--otlp-endpoint must be the URL of a collector, for example http://collector.observability:4318, not "collector:4317"`}},
		"a lease that cannot be":       {[]string{"--leader-election-id=Lease/1"}, []string{`--leader-election-id is "Lease/1", which cannot be the name of a lease`}},
		"a time that cannot be":        {[]string{"--namespace-deletion-timeout=-1s"}, []string{"--namespace-deletion-timeout must not be negative: -1s"}},
		"namespaces without a name":    {[]string{"--watch-namespaces= ,"}, []string{`--watch-namespaces names no namespace: " ,"; leave it out to work in all of them`}},
		"a namespace that cannot be":   {[]string{"--watch-namespaces=a,B_c"}, []string{`--watch-namespaces holds "B_c", which is not the name of a namespace`}},
		"a selector that is none":      {[]string{"--namespace-selector=a b"}, []string{`--namespace-selector must be a selector of labels, for example zoom=allowed, not "a b"`}},
		"namespaces in two ways": {[]string{"--namespace-selector=a=b", "--watch-namespaces=c"}, []string{
			"--namespace-selector and --watch-namespaces do not go together: an operator of a few namespaces may not read the labels of any; name those that it is to serve",
		}},
		"a proxy by its name":   {[]string{"--trusted-proxies=10.0.0.1,ingress"}, []string{`--trusted-proxies holds "ingress", which is neither an address nor a CIDR, for example 10.20.0.7 or 10.20.0.0/28`}},
		"a proxy with a zone":   {[]string{"--trusted-proxies=fe80::1%eth0"}, []string{`--trusted-proxies holds "fe80::1%eth0", which is neither an address nor a CIDR, for example 10.20.0.7 or 10.20.0.0/28`}},
		"everybody as a proxy":  {[]string{"--trusted-proxies=0.0.0.0/0"}, []string{`--trusted-proxies holds "0.0.0.0/0": then anybody could say to be anybody; name the addresses of your ingress`}},
		"a level that is none":  {[]string{"--log-level=verbose"}, []string{`--log-level must be error, warn, info or debug, not "verbose"`}},
		"a format that is none": {[]string{"--log-format=logfmt"}, []string{`--log-format must be json or text, not "logfmt"`}},
		"several at once": {[]string{"--tls-key-file=key", "--external-url=x", "--webhook-bind-address=y"}, []string{
			`--webhook-bind-address must be host:port or :port, not "y"`, external + `"x"`, "--tls-cert-file and --tls-key-file go together: set both or neither",
		}},
		"a cloud without a place": {[]string{"--cloud=Local"}, []string{`invalid value "Local" for flag -cloud: a cloud is NAME=WEB_URL,API_URL, not "Local"`}},
		"Zoom's own cloud elsewhere": {[]string{"--cloud=Commercial=http://a,http://b"}, []string{
			`invalid value "Commercial=http://a,http://b" for flag -cloud: there is a cloud Commercial already`,
		}},
		"a flag that is not there": {[]string{"--webhook-port=1"}, []string{"flag provided but not defined: -webhook-port"}},
		"a value of another type":  {[]string{"--leader-elect=perhaps"}, []string{`invalid boolean value "perhaps" for -leader-elect: parse error`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(test.args)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if o, err := parse([]string{"--version", "--log-level=verbose"}); err != nil || !o.version {
		t.Errorf("--version gives %v", err)
	}
	if _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gives %v", err)
	}
}

func TestManagerOptions(t *testing.T) {
	for name, test := range map[string]struct {
		args             []string
		secured, filters bool
		namespaces       int
		elects           bool
	}{
		"by default, metrics are for those who may":       {secured: true, filters: true},
		"metrics in the clear are for everybody":          {args: []string{"--metrics-secure=false"}},
		"no metrics need no protection":                   {args: []string{"--metrics-bind-address=0"}},
		"only the namespaces that are watched are cached": {args: []string{"--watch-namespaces=a,b"}, secured: true, filters: true, namespaces: 2},
		"a namespace that is named twice is watched once": {args: []string{"--watch-namespaces=a,a"}, secured: true, filters: true, namespaces: 1},
		"of several controllers one leads":                {args: []string{"--leader-elect", "--webhook-bind-address=0"}, secured: true, filters: true, elects: true},
		"receivers need no leader":                        {args: []string{"--leader-elect", "--controllers=false"}, secured: true, filters: true},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(test.args)
			if err != nil {
				t.Fatal(err)
			}
			got := o.manager("system")
			if got.Metrics.SecureServing != test.secured || (got.Metrics.FilterProvider != nil) != test.filters {
				t.Errorf("secure metrics %v, filter %v", got.Metrics.SecureServing, got.Metrics.FilterProvider != nil)
			}
			if got.LeaderElection != test.elects || got.LeaderElectionID != "controllers.zoom-operator.io" || got.LeaderElectionNamespace != "system" {
				t.Errorf("leader election %v with the lease %s/%s", got.LeaderElection, got.LeaderElectionNamespace, got.LeaderElectionID)
			}
			if got.PprofBindAddress != o.pprofAddress {
				t.Errorf("profiles are served at %q", got.PprofBindAddress)
			}
			if len(got.Cache.DefaultNamespaces) != test.namespaces {
				t.Errorf("cached are %v", got.Cache.DefaultNamespaces)
			}
			if !slices.ContainsFunc(got.Client.Cache.DisableFor, func(obj client.Object) bool { _, ok := obj.(*corev1.Secret); return ok }) {
				t.Error("Secrets would be listed and kept in memory")
			}
		})
	}
}

func TestVersionIsThatOfTheBuild(t *testing.T) {
	installed := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}
	for name, test := range map[string]struct {
		stamped string
		info    *debug.BuildInfo
		want    string
	}{
		"stamped by the linker": {"v2.0.0", installed, "v2.0.0"},
		"by go install":         {"", installed, "v1.2.3"},
		"by a test":             {"", &debug.BuildInfo{}, "unknown"},
		"by something else":     {"", nil, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			release = test.stamped
			t.Cleanup(func() { release = "" })
			if got := releaseOf(test.info, test.info != nil); got != test.want {
				t.Errorf("the version is %q, want %q", got, test.want)
			}
		})
	}
}
