package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// permission is something that an account may do.
type permission struct{ Group, Resource, Verb string }

// permissionOf is something that this account may do.
type permissionOf struct {
	Account    string
	Permission permission
}

func (p permission) String() string {
	return p.Verb + " " + p.Resource + " of group " + fmt.Sprintf("%q", p.Group)
}

// The tests can be run in parts at once, each with a cluster of its own.
var (
	parts     = flag.Int("parts", 1, "how many parts the tests are run in, of which this is one")
	usedInAll = flag.String("used", "", "folder where each part leaves which permissions it made use of")
)

// everyTestRan says whether the run was of all tests, or is a part of such a run: only then is
// everything asked for that ever is.
func everyTestRan() bool {
	for _, name := range []string{"test.run", "test.skip"} {
		if *parts == 1 && flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}

// everyPermissionIsUsed is an error for each permission that a role of the operator gives and that
// nothing has made use of. What a process that is both halves does counts for either. Of several
// parts, the one that ends last looks at what was used in all of them.
func everyPermissionIsUsed(ctx context.Context) error {
	var errs []error
	used := map[permissionOf]bool{}
	for _, account := range []string{cluster.Receiver.Account, cluster.Controller.Account} {
		errs = append(errs, usedBy(used, account, cluster.Single.Account))
	}
	ended, err := usedInParts(used)
	if err := errors.Join(append(errs, err)...); err != nil || ended < *parts {
		return err
	}
	for _, account := range []string{cluster.Receiver.Account, cluster.Controller.Account} {
		granted, err := grantedBy(ctx, account)
		if err != nil {
			return err
		}
		for _, p := range granted {
			if !used[permissionOf{account, p}] && !rarely(account, p, used) {
				errs = append(errs, fmt.Errorf("the role of %s lets it %s, which it never does", account, p))
			}
		}
	}
	return errors.Join(errs...)
}

// usedInParts leaves what was used in this part for the others, adds what was used in those that
// have ended, and returns how many have, with this one.
func usedInParts(used map[permissionOf]bool) (ended int, err error) {
	if *parts == 1 {
		return 1, nil
	}
	text, err := json.Marshal(slices.Collect(maps.Keys(used)))
	if err != nil {
		return 0, err
	}
	// Whole at once, since another part may be looking.
	name := filepath.Join(*usedInAll, rand.Text())
	if err := errors.Join(os.WriteFile(name, text, 0o600), os.Rename(name, name+".json")); err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(*usedInAll, "*.json"))
	for _, file := range files {
		text, err2 := os.ReadFile(file)
		var there []permissionOf
		err = errors.Join(err, err2, json.Unmarshal(text, &there))
		for _, p := range there {
			used[p] = true
		}
	}
	return len(files), err
}

// rarely says whether a permission is only needed in what these tests do not bring about: a cache
// lists where an API server does not stream the list to its watch, and an Event that repeats within
// minutes is counted up.
func rarely(account string, p permission, used map[permissionOf]bool) bool {
	return p.Verb == "list" && used[permissionOf{account, permission{p.Group, p.Resource, "watch"}}] ||
		p == permission{"events.k8s.io", "events", "patch"}
}

// grantedBy is what the role of that name lets its account do.
func grantedBy(ctx context.Context, name string) ([]permission, error) {
	var role rbacv1.ClusterRole
	if err := system.Client.Get(ctx, client.ObjectKey{Name: name}, &role); err != nil {
		return nil, err
	}
	var all []permission
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, permission{group, resource, verb})
				}
			}
		}
	}
	return all, nil
}

// usedBy adds what the operator has done under these accounts, by the API server's audit log, as
// the first one's.
func usedBy(used map[permissionOf]bool, account string, others ...string) error {
	return eachRequest(append(others, account), func(r request) {
		resource := r.ObjectRef.Resource
		if r.ObjectRef.Subresource != "" {
			resource += "/" + r.ObjectRef.Subresource
		}
		used[permissionOf{account, permission{r.ObjectRef.APIGroup, resource, r.Verb}}] = true
	})
}

// noWorkWasDenied is an error for what the operator asked for and its own admission policies
// refused.
func noWorkWasDenied() error {
	var errs []error
	err := eachRequest([]string{cluster.Receiver.Account, cluster.Controller.Account, cluster.Single.Account}, func(r request) {
		if r.ResponseStatus != nil && strings.Contains(r.ResponseStatus.Message, "ValidatingAdmissionPolicy 'zoom-operator-") {
			errs = append(errs, fmt.Errorf("%s was denied its work: %s", r.User.Username, r.ResponseStatus.Message))
		}
	})
	return errors.Join(append(errs, err)...)
}

// request is a line of the API server's audit log, as far as it matters here.
type request struct {
	Verb           string
	User           struct{ Username string }
	UserAgent      string
	ObjectRef      *struct{ APIGroup, Resource, Subresource string }
	ResponseStatus *struct{ Message string }
}

// eachRequest calls do for what was asked of the API server under these accounts. What a test tries
// in their name as kubectl is left out.
func eachRequest(accounts []string, do func(request)) error {
	file, err := os.Open(system.AuditLog())
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // an API server that is killed may leave half a line
		}
		who := r.User.Username[strings.LastIndex(r.User.Username, ":")+1:]
		if r.ObjectRef != nil && slices.Contains(accounts, who) && !strings.HasPrefix(r.UserAgent, "kubectl") {
			do(r)
		}
	}
	return lines.Err()
}

// What the accounts must not be able to do, whatever their code is made to ask for.
func TestAccountsCanOnlyDoTheirWork(t *testing.T) {
	a := newApp(t, nil)
	manifest := func(name, kind, annotations string) string {
		path := t.TempDir() + "/secret.yaml"
		text := "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: " + a.namespace + annotations + "}\ntype: " + kind + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	minted := manifest("minted", "kubernetes.io/service-account-token", ", annotations: {kubernetes.io/service-account.name: default}")
	foreign := manifest("foreign", "Opaque", "")
	const refused = "the Zoom operator writes and deletes only Secrets of its own types"
	for _, o := range system.service.operators() {
		t.Run(o.Account, func(t *testing.T) {
			for what, tc := range map[string]struct {
				args []string
				want string // in the error; empty when it may
			}{
				"take another account's token": {[]string{"create", "--dry-run=server", "-f", minted}, refused},
				"write a Secret of another":    {[]string{"create", "--dry-run=server", "-f", foreign}, refused},
				"change the app's Secret":      {[]string{"replace", "--dry-run=server", "-f", manifest("credentials", v1alpha1.CredentialsSecretType, "")}, refused},
				"list Secrets":                 {[]string{"get", "secrets", "--namespace=" + a.namespace}, "forbidden"},
				"read another lease":           {[]string{"get", "lease", "another", "--namespace=" + cluster.OperatorNamespace}, "forbidden"},
				"have another Secret read": {
					[]string{"patch", "zapp", appName, "--namespace=" + a.namespace, "--dry-run=server", "--type=merge", `--patch={"spec":{"credentialsSecretRef":{"name":"foreign"}}}`},
					"the Zoom operator writes nothing into the spec of a ZoomApp but the accountID of one that has none",
				},
				"delete the app": {[]string{"delete", "zapp", appName, "--namespace=" + a.namespace, "--dry-run=server"}, "forbidden"},
			} {
				_, err := system.KubectlAs(t.Context(), o.Kubeconfig, tc.args...)
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("it can %s: %v, want %q", what, err, tc.want)
				}
			}
			own := []corev1.SecretType{tokens.SecretType, tombstones.SecretType}
			if o.Controls() {
				own = append(own, tokens.AccessSecretType, tokens.InvitationSecretType)
			}
			for _, own := range own {
				if _, err := system.KubectlAs(t.Context(), o.Kubeconfig, "create", "--dry-run=server", "-f", manifest("own", string(own), "")); err != nil {
					t.Errorf("it cannot write a Secret of its own type %s: %v", own, err)
				}
			}
			_, err := system.KubectlAs(t.Context(), o.Kubeconfig, "delete", "secret", "credentials", "--namespace="+a.namespace, "--dry-run=server")
			want := refused
			if !o.Controls() {
				want = "forbidden" // a receiver deletes nothing
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it can delete the app's Secret: %v, want %q", err, want)
			}
		})
	}
}

// Who has an account cannot have Kubernetes or another program do what the account may not: garbage
// collection deletes what has only owners that there are not, a finalizer that is off keeps
// nothing, and a label may mean something to others.
func TestAccountsHaveNobodyElseDelete(t *testing.T) {
	a := newApp(t, func(s *v1alpha1.ZoomAppSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRevoke })
	gone := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "00000000-0000-0000-0000-000000000001"}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: a.namespace, Name: name} }
	app := &v1alpha1.ZoomApp{ObjectMeta: named(appName)}
	within(t, settleWithin, func(ctx context.Context) error {
		err := system.Client.Get(ctx, client.ObjectKeyFromObject(app), app)
		if err == nil && len(app.Finalizers) == 0 {
			err = errors.New("the app has no finalizer")
		}
		return err
	})
	// An owner that was there before, as earlier versions of the operator set one, is no reason to
	// refuse what else is written.
	former := metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: "credentials"}
	var credentials corev1.Secret
	if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: a.namespace, Name: former.Name}, &credentials); err != nil {
		t.Fatal(err)
	}
	former.UID = credentials.UID
	in := &v1alpha1.ZoomInstallation{ObjectMeta: named("in"), Spec: v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}, AccountID: "AccPermissions"}}
	in.Finalizers = []string{v1alpha1.InstallationFinalizer}
	meeting := &v1alpha1.ZoomMeeting{ObjectMeta: named("meeting"), Spec: v1alpha1.ZoomMeetingSpec{
		AppRef: v1alpha1.AppReference{Name: appName}, InstallationRef: v1alpha1.InstallationReference{Name: "in"}, AccountID: "AccPermissions", MeetingID: "91234567890",
	}}
	token := &corev1.Secret{ObjectMeta: named("a-token"), Type: tokens.SecretType}
	token.Finalizers = []string{tokens.Finalizer}
	for _, o := range []client.Object{in, meeting, token} {
		o.SetOwnerReferences([]metav1.OwnerReference{former})
		if err := system.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	owner := metav1.OwnerReference{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ZoomInstallation", Name: in.Name, UID: in.UID}

	owned := func(o client.Object) { o.SetOwnerReferences(append(o.GetOwnerReferences(), gone)) }
	ownedByAnInstallation := func(o client.Object) { o.SetOwnerReferences([]metav1.OwnerReference{owner}) }
	disowned := func(o client.Object) { o.SetOwnerReferences(nil) }
	free := func(o client.Object) { o.SetFinalizers(nil) }
	held := func(o client.Object) { o.SetFinalizers(append(o.GetFinalizers(), "example.com/held")) }
	set := func(of map[string]string, key, value string) map[string]string {
		of = maps.Clone(of)
		if of == nil {
			of = map[string]string{}
		}
		of[key] = value
		return of
	}
	labelled := func(key string) func(client.Object) {
		return func(o client.Object) { o.SetLabels(set(o.GetLabels(), key, "cluster")) }
	}
	managed := func(o client.Object) {
		o.SetLabels(set(o.GetLabels(), v1alpha1.ManagedByLabel, v1alpha1.ManagedByOperator))
	}
	annotated := func(key, value string) func(client.Object) {
		return func(o client.Object) { o.SetAnnotations(set(o.GetAnnotations(), key, value)) }
	}
	secret := func(kind corev1.SecretType) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: named("new"), Type: kind}
	}
	const (
		foreign     = "argocd.argoproj.io/secret-type"
		owners      = "no owner"
		finalizers  = "changes no finalizer"
		labels      = "changes no labels"
		annotations = "changes no annotations"
		types       = "a receiver only tokens and tombstones"
	)
	nothing := func(client.Object) {}
	for _, o := range system.service.operators() {
		t.Run(o.Account, func(t *testing.T) {
			config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			config.UserAgent = "kubectl, as a test"
			as, err := client.New(config, client.Options{Scheme: system.Client.Scheme()})
			if err != nil {
				t.Fatal(err)
			}
			as = client.NewDryRunClient(as)
			for what, tc := range map[string]struct {
				object               client.Object
				change               func(client.Object)
				receiver, controller string // in the error; empty when it may
			}{
				"own an app":                    {app, owned, "changes no ownerReferences", "changes no ownerReferences"},
				"free an app":                   {app, free, finalizers, ""},
				"hold an app":                   {app, held, finalizers, finalizers},
				"label an app":                  {app, labelled(foreign), labels, labels},
				"write what it recovered":       {app, annotated("internal.zoom-operator.io/missed-events", "{}"), labels, ""},
				"write what it subscribed to":   {app, annotated("internal.zoom-operator.io/subscription", "{}"), labels, ""},
				"keep an app for that":          {app, func(o client.Object) { o.SetFinalizers(append(o.GetFinalizers(), v1alpha1.SubscriptionFinalizer)) }, finalizers, ""},
				"write who is subscribed":       {in, annotated("internal.zoom-operator.io/subscription", "1"), annotations, ""},
				"write what came of an import":  {in, annotated("internal.zoom-operator.io/import", "1"), annotations, ""},
				"note that a user was deleted":  {in, annotated("internal.zoom-operator.io/deleted-users", "a:1:2"), "", ""},
				"have an installation retried":  {in, annotated(v1alpha1.RetryAnnotation, v1alpha1.RetryNow), "", ""},
				"have an app retried":           {app, annotated(v1alpha1.RetryAnnotation, v1alpha1.RetryNow), labels, labels},
				"own an installation":           {in, owned, owners, owners},
				"have an installation own one":  {in, ownedByAnInstallation, owners, owners},
				"disown an installation":        {in, disowned, "", ""},
				"free an installation":          {in, free, finalizers, ""},
				"hold an installation":          {in, held, finalizers, finalizers},
				"label an installation":         {in, labelled(foreign), labels, labels},
				"label whose it is":             {in, labelled(v1alpha1.AppLabel), "", ""},
				"say that another manages one":  {in, labelled(v1alpha1.ManagedByLabel), labels, labels},
				"say whose a meeting is":        {meeting, labelled(v1alpha1.InstallationLabel), "", ""},
				"say that it manages a meeting": {meeting, managed, "", ""},
				"name the flow of a consent":    {in, labelled(v1alpha1.ConsentFlowLabel), "", ""},
				"notice a removal":              {in, annotated(v1alpha1.RemovalNoticeAnnotation, "2026-01-01T00:00:00Z"), "", ""},
				"abandon a consent":             {in, annotated(v1alpha1.AbandonAnnotation, v1alpha1.AbandonTrue), annotations, annotations},
				"write an installation":         {in, on(func(o *v1alpha1.ZoomInstallation) { o.Spec.UserID = "another" }), "", ""},
				"create an installation":        {&v1alpha1.ZoomInstallation{ObjectMeta: named("new"), Spec: in.Spec}, func(o client.Object) { o.SetFinalizers(in.Finalizers) }, "", ""},
				"create an owned installation":  {&v1alpha1.ZoomInstallation{ObjectMeta: named("new"), Spec: in.Spec}, owned, owners, owners},
				"own a meeting":                 {meeting, owned, owners, owners},
				"disown a meeting":              {meeting, disowned, "", ""},
				"hold a meeting":                {meeting, held, finalizers, finalizers},
				"label a meeting":               {meeting, labelled(foreign), labels, labels},
				"write a meeting":               {meeting, on(func(o *v1alpha1.ZoomMeeting) { o.Spec.HostID = "another" }), "", ""},
				"write a meeting's merge state": {meeting, annotated("internal.zoom-operator.io/merge-state", "1."), "", ""},
				"say whose trace a meeting is":  {meeting, annotated("internal.zoom-operator.io/trace", "00-4bf92f-00f0-01 1 1"), "", ""},
				"annotate a meeting":            {meeting, annotated("argocd.argoproj.io/tracking-id", "theirs"), annotations, annotations},
				"have a meeting retried":        {meeting, annotated(v1alpha1.RetryAnnotation, v1alpha1.RetryNow), annotations, annotations},
				"have a meeting checked":        {meeting, annotated(v1alpha1.CheckAnnotation, v1alpha1.CheckNow), annotations, annotations},
				"write what came of a check":    {meeting, annotated("internal.zoom-operator.io/end-check", "1"), annotations, ""},
				"create an owned meeting":       {&v1alpha1.ZoomMeeting{ObjectMeta: named("new"), Spec: meeting.Spec}, owned, owners, owners},
				"create a meeting":              {&v1alpha1.ZoomMeeting{ObjectMeta: named("new"), Spec: meeting.Spec}, nothing, "", ""},
				"own a token":                   {token, owned, owners, owners},
				"have an installation own it":   {token, ownedByAnInstallation, owners, owners},
				"disown a token":                {token, disowned, "", ""},
				"free a token":                  {token, free, finalizers, ""},
				"free a token that is given up": {token, func(o client.Object) { free(o); annotated("zoom-operator.io/given-up", "true")(o) }, "", ""},
				"hold a token":                  {token, held, finalizers, finalizers},
				"label a token":                 {token, labelled(foreign), labels, labels},
				"say whose a token is": {token, func(o client.Object) {
					labelled(v1alpha1.AppLabel)(o)
					labelled(v1alpha1.InstallationLabel)(o)
					managed(o)
					annotated("zoom-operator.io/user-id", "another")(o)
				}, "", ""},
				"annotate a token":               {token, annotated("example.com/copy-to", "elsewhere"), annotations, annotations},
				"write a token":                  {token, on(func(o *corev1.Secret) { o.Data = map[string][]byte{"a": []byte("b")} }), "", ""},
				"make a token immutable":         {token, on(func(o *corev1.Secret) { o.Immutable = new(true) }), "immutable", "immutable"},
				"say that Helm manages a token":  {token, labelled(v1alpha1.ManagedByLabel), labels, labels},
				"create what Argo CD would take": {secret(tokens.SecretType), labelled(foreign), labels, labels},
				"create an owned token":          {secret(tokens.SecretType), ownedByAnInstallation, owners, owners},
				"publish an access token":        {secret(tokens.AccessSecretType), ownedByAnInstallation, types, ""},
				"publish one that another owns":  {secret(tokens.AccessSecretType), owned, types, owners},
				"invite":                         {secret(tokens.InvitationSecretType), ownedByAnInstallation, types, ""},
			} {
				want := tc.controller
				if !o.Controls() {
					want = tc.receiver
				}
				err := attempt(t.Context(), as, tc.object, tc.change)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("it can %s: %v, want %q", what, err, want)
				}
			}
		})
	}
}

// attempt makes a change to an object that is there, or to be created, as the client of an account.
func attempt(ctx context.Context, as client.Client, object client.Object, change func(client.Object)) error {
	for {
		next := copyOf(object)
		if object.GetUID() == "" {
			change(next)
			return as.Create(ctx, next)
		}
		if err := system.Client.Get(ctx, client.ObjectKeyFromObject(object), next); err != nil {
			return err
		}
		before := client.MergeFromWithOptions(copyOf(next), client.MergeFromWithOptimisticLock{})
		change(next)
		var err error
		if _, app := next.(*v1alpha1.ZoomApp); app {
			err = as.Patch(ctx, next, before)
		} else {
			err = as.Update(ctx, next)
		}
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

// on is a change to an object of one kind.
func on[T client.Object](change func(T)) func(client.Object) {
	return func(o client.Object) {
		if t, ok := o.(T); ok {
			change(t)
		}
	}
}

func copyOf(o client.Object) client.Object {
	c, _ := o.DeepCopyObject().(client.Object)
	return c
}
