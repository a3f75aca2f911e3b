// Controllers runs those controllers of kube-controller-manager that tests and the local run need,
// under the service accounts that they have in a cluster: it collects garbage, empties namespaces
// that are deleted, gives each namespace a service account, and makes the built-in roles view, edit
// and admin include what is aggregated into them. The whole of kube-controller-manager takes longer
// to compile than everything else together but kube-apiserver.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cacheddiscovery "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"

	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// What kube-controller-manager has for defaults.
const (
	resync             = 12 * time.Hour
	discoverEvery      = 30 * time.Second
	namespaceResync    = 5 * time.Minute
	qps, burst         = 20, 30
	namespaceQPS       = 20 * qps
	namespaceBurst     = 100 * burst
	concurrentGarbage  = 20
	concurrentSpaces   = 10
	concurrentRoles    = 5
	concurrentAccounts = 1
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of the user system:kube-controller-manager")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *kubeconfig)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controllers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = qps, burst
	root := clientbuilder.SimpleControllerClientBuilder{ClientConfig: config}
	accounts := clientbuilder.NewDynamicClientBuilder(rest.AnonymousClientConfig(config), root.ClientOrDie("client-builder").CoreV1(), metav1.NamespaceSystem)
	watching, err := root.Client("shared-informers")
	if err != nil {
		return err
	}
	metadataConfig, err := root.Config("metadata-informers")
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(metadataConfig)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(watching, resync)
	all := informerfactory.NewInformerFactory(shared, metadatainformer.NewSharedInformerFactory(metadataClient, resync))
	started := make(chan struct{})

	var loops []func(context.Context)
	for _, build := range []func() (func(context.Context), error){
		func() (func(context.Context), error) { return collectGarbage(ctx, accounts, root, all, started) },
		func() (func(context.Context), error) { return emptyNamespaces(ctx, accounts, shared) },
		func() (func(context.Context), error) { return createServiceAccounts(ctx, accounts, shared) },
		func() (func(context.Context), error) { return aggregateRoles(accounts, shared) },
	} {
		loop, err := build()
		if err != nil {
			return err
		}
		loops = append(loops, loop)
	}
	for _, loop := range loops {
		go loop(ctx)
	}
	all.Start(ctx.Done())
	close(started)
	<-ctx.Done()
	return nil
}

func collectGarbage(ctx context.Context, accounts clientbuilder.ControllerClientBuilder, root clientbuilder.SimpleControllerClientBuilder, all informerfactory.InformerFactory, started chan struct{}) (func(context.Context), error) {
	const account = "generic-garbage-collector"
	client, err := accounts.Client(account)
	if err != nil {
		return nil, err
	}
	config, err := accounts.Config(account)
	if err != nil {
		return nil, err
	}
	config.QPS *= 2 // a deletion is two requests
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	discovery, err := root.DiscoveryClient("controller-discovery")
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cacheddiscovery.NewMemCacheClient(discovery))
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, metadataClient, mapper, garbagecollector.DefaultIgnoredResources(), all, started)
	collector, err := garbagecollector.NewComposedGarbageCollector(ctx, client, metadataClient, mapper, graph)
	if err != nil {
		return nil, fmt.Errorf("the garbage collector: %w", err)
	}
	return func(ctx context.Context) {
		go collector.Sync(ctx, discovery, discoverEvery)
		collector.Run(ctx, concurrentGarbage, discoverEvery)
	}, nil
}

func emptyNamespaces(ctx context.Context, accounts clientbuilder.ControllerClientBuilder, shared informers.SharedInformerFactory) (func(context.Context), error) {
	const account = "namespace-controller"
	config, err := accounts.Config(account)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = namespaceQPS, namespaceBurst
	quick := clientbuilder.SimpleControllerClientBuilder{ClientConfig: config}
	client, err := quick.Client(account)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := namespace.NewNamespaceController(ctx, client, metadataClient, client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), namespaceResync, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, concurrentSpaces) }, nil
}

func createServiceAccounts(ctx context.Context, accounts clientbuilder.ControllerClientBuilder, shared informers.SharedInformerFactory) (func(context.Context), error) {
	client, err := accounts.Client("service-account-controller")
	if err != nil {
		return nil, err
	}
	c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), shared.Core().V1().ServiceAccounts(), shared.Core().V1().Namespaces(),
		client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, fmt.Errorf("the controller of service accounts: %w", err)
	}
	return func(ctx context.Context) { c.Run(ctx, concurrentAccounts) }, nil
}

func aggregateRoles(accounts clientbuilder.ControllerClientBuilder, shared informers.SharedInformerFactory) (func(context.Context), error) {
	client, err := accounts.Client("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	c := clusterroleaggregation.NewClusterRoleAggregation(shared.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { c.Run(ctx, concurrentRoles) }, nil
}
