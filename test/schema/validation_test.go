package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

// write is an object on its way to the API server: created as change leaves it, or, when stored is
// set, created as stored leaves it and then updated by change.
type write[T client.Object] struct {
	stored, change func(T)
	// found sets the status that a stored object has.
	found func(T)
	// want is a part of the refusal; empty when the write is allowed.
	want string
}

func check[T client.Object](t *testing.T, valid func() T, writes map[string]write[T]) {
	t.Helper()
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	named := 0
	for name, tc := range writes {
		t.Run(name, func(t *testing.T) {
			obj := valid()
			named++
			obj.SetNamespace(namespace)
			obj.SetName(fmt.Sprintf("object-%d", named))
			send := func() error { return c.Create(t.Context(), obj, client.DryRunAll) }
			if tc.stored != nil {
				tc.stored(obj)
				found := obj.DeepCopyObject().(T) //nolint:forcetypeassert // a copy
				if err := c.Create(t.Context(), obj); err != nil {
					t.Fatalf("the object before the update: %v", err)
				}
				if tc.found != nil {
					found.SetResourceVersion(obj.GetResourceVersion())
					tc.found(found)
					if err := c.Status().Update(t.Context(), found); err != nil {
						t.Fatalf("the status before the update: %v", err)
					}
					obj.SetResourceVersion(found.GetResourceVersion())
				}
				send = func() error { return c.Update(t.Context(), obj, client.DryRunAll) }
			}
			tc.change(obj)
			switch err := send(); {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && err == nil:
				t.Errorf("allowed, but should be refused with %q", tc.want)
			case tc.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("refused with\n%v\nwant\n%s", err, tc.want)
			}
		})
	}
	covered(t, valid(), writes)
}

// covered makes sure that every sentence that the schema of the kind has for people was provoked.
func covered[T client.Object](t *testing.T, kind T, writes map[string]write[T]) {
	t.Helper()
	plural := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", kind), "*v1alpha1.")) + "s"
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "zoom-operator.io_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd any
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	sentences := messages(crd)
	if len(sentences) == 0 {
		t.Fatal("the schema has no rules")
	}
	for _, sentence := range sentences {
		provoked := false
		for _, tc := range writes {
			provoked = provoked || tc.want == sentence
		}
		if !provoked {
			t.Errorf("no test is refused with %q", sentence)
		}
	}
}

// messages are the messages of all rules in a schema.
func messages(node any) []string {
	var found []string
	switch node := node.(type) {
	case []any:
		for _, v := range node {
			found = append(found, messages(v)...)
		}
	case map[string]any:
		if rules, ok := node["x-kubernetes-validations"].([]any); ok {
			for _, rule := range rules {
				if rule, ok := rule.(map[string]any); ok {
					found = append(found, fmt.Sprint(rule["message"]))
				}
			}
		}
		for _, v := range node {
			found = append(found, messages(v)...)
		}
	}
	return found
}

func validApp() *v1alpha1.ZoomApp {
	return &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{
		ClientID:             "AbCdEf_123-4",
		CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"},
		Distribution:         v1alpha1.DistributionPrivate,
	}}
}

func nothing[T client.Object](T) {}

const (
	anAccountID  = "accountID is Zoom's ID of an account: one word of letters, digits, - and _"
	aDisplayName = "this is a name for people: one line, with no spaces around it and no control characters"
	aScope       = "a scope is one word as Zoom spells it, for example meeting:read:meeting"
)

func TestZoomAppValidation(t *testing.T) {
	type app = *v1alpha1.ZoomApp
	scopes := func(n int) []v1alpha1.Scope {
		var list []v1alpha1.Scope
		for i := range n {
			list = append(list, v1alpha1.Scope(fmt.Sprintf("meeting:read:%d", i)))
		}
		return list
	}
	const (
		colons              = "a scope has parts with colons between them, as the scopes of the app in Zoom's build flow show it, for example meeting:read:meeting"
		adminsForm          = "an admin-managed app has the admin's form of a scope, for example meeting:read:meeting:admin; add :admin, or set managedBy to User"
		accountIDIsSet      = "accountID cannot be changed or taken away once it is set, also by the first account that installed the app; keep it, or create another ZoomApp"
		aPublicURL          = "this is a link for customers: begin it with https:// and a host, without a user name, and with no spaces or letters beyond ASCII"
		aDomainVerification = "domainVerification is the code in Zoom's file verifyzoom.html: one word of letters, digits, - and _, without anything around it"
		aCloud              = "cloud is Commercial or Government, or the name of another one that the operator was started with"
	)
	needs := func(managedBy v1alpha1.ManagedBy, scopes ...v1alpha1.Scope) func(app) {
		return func(a app) { a.Spec.ManagedBy, a.Spec.Scopes = managedBy, scopes }
	}
	installations := func(n int32) func(app) { return func(a app) { a.Status.AuthorizedInstallations = &n } }
	link := func(to v1alpha1.PublicURL) func(app) {
		return func(a app) { a.Spec.Publisher = &v1alpha1.Publisher{Name: "Ana", PrivacyURL: to} }
	}
	imports := func(managedBy v1alpha1.ManagedBy, policy v1alpha1.ImportPolicy) func(app) {
		return func(a app) { a.Spec.ManagedBy, a.Spec.Import = managedBy, policy }
	}
	const anEvent = "an event has parts with dots between them, as Zoom's documentation has it, for example meeting.started"
	subscribes := func(events ...v1alpha1.EventName) func(app) {
		return func(a app) { a.Spec.EventSubscription = &v1alpha1.EventSubscription{Events: events} }
	}
	ofAccount := func(a app) { a.Spec.Distribution, a.Spec.AccountID = v1alpha1.DistributionAccount, "account" }
	check(t, validApp, map[string]write[app]{
		"the least that an app needs": {change: nothing[app]},
		"everything set": {change: func(a app) {
			ofAccount(a)
			a.Spec.ManagedBy = v1alpha1.ManagedByAdmin
			a.Spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting:admin", "user:read:admin"}
			a.Spec.TokenPolicy = v1alpha1.TokenPolicyContinuous
			a.Spec.Verification = v1alpha1.VerificationVerificationToken
			a.Spec.MaxEventAgeSeconds = 86400
			a.Spec.Participants = v1alpha1.ParticipantsNone
			a.Spec.Retention = v1alpha1.Retention{EndedSeconds: 60, Instances: 20, RemovedSeconds: 31536000}
			a.Spec.RemovalGraceSeconds = 7776000
			a.Spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore
			a.Spec.Cloud = v1alpha1.CloudGovernment
		}},
		"a name of 40 characters": {change: func(a app) { a.Name = strings.Repeat("n", 40) }},
		"a name of 41 characters": {
			change: func(a app) { a.Name = strings.Repeat("n", 41) },
			want:   "the name of a ZoomApp has at most 40 characters, because the names of its meetings begin with it",
		},
		"a name and a publisher for customers, in any script": {change: func(a app) {
			a.Spec.DisplayName = v1alpha1.DisplayName("Grüße 你好 👋🏽 " + strings.Repeat("n", 50))
			a.Spec.Publisher = &v1alpha1.Publisher{
				Name: "Ana's «Groups»", SupportURL: "https://groups.example.org:8443/help?a=b#c", PrivacyURL: "https://groups.example.org", TermsURL: "https://groups.example.org/@ana/%C3%BC", Logo: "groups-2_x.png",
			}
			a.Spec.DomainVerification = "3f2a9c0d-AB_1"
		}},
		"a name that is too long":           {change: func(a app) { a.Spec.DisplayName = v1alpha1.DisplayName(strings.Repeat("n", 65)) }, want: "spec.displayName: Too long"},
		"a name of two lines":               {change: func(a app) { a.Spec.DisplayName = "a\nb" }, want: aDisplayName},
		"a name that turns the text around": {change: func(a app) { a.Spec.DisplayName = "a\u202eb" }, want: aDisplayName},
		"a name of a space":                 {change: func(a app) { a.Spec.DisplayName = " " }, want: aDisplayName},
		"a publisher without a name":        {change: func(a app) { a.Spec.Publisher = &v1alpha1.Publisher{SupportURL: "https://groups.example.org"} }, want: "spec.publisher.name"},
		"an app that is suspended":          {change: func(a app) { a.Spec.Suspend = v1alpha1.SuspensionRecord }},
		"a suspension that there is not":    {change: func(a app) { a.Spec.Suspend = "true" }, want: `supported values: "PutOff", "Record"`},
		"a link without TLS":                {change: link("http://groups.example.org/"), want: aPublicURL},
		"a link that is a script":           {change: link("javascript:alert(1)"), want: aPublicURL},
		"a link with a user":                {change: link("https://zoom.us@groups.example.org/"), want: aPublicURL},
		"a link that is none":               {change: link("groups.example.org"), want: aPublicURL},
		"a logo that is no key": {
			change: func(a app) {
				a.Spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: "https://groups.example.org/logo.png"}
			},
			want: "logo is a key of the ConfigMap zoom-logos: letters, digits, -, _ and .",
		},
		"a verification with markup":                  {change: func(a app) { a.Spec.DomainVerification = "<b>a</b>" }, want: aDomainVerification},
		"no client ID":                                {change: func(a app) { a.Spec.ClientID = "" }, want: "spec.clientID: Required value"},
		"a client ID that Zoom would not give":        {change: func(a app) { a.Spec.ClientID = "a b" }, want: "clientID is one word of letters, digits, - and _, as App Credentials in Zoom's build flow shows it"},
		"a client ID that is too long":                {change: func(a app) { a.Spec.ClientID = strings.Repeat("a", 65) }, want: "spec.clientID: Too long"},
		"no Secret":                                   {change: func(a app) { a.Spec.CredentialsSecretRef.Name = "" }, want: "spec.credentialsSecretRef"},
		"no distribution":                             {change: func(a app) { a.Spec.Distribution = "" }, want: "spec.distribution: Required value"},
		"a distribution that does not exist":          {change: func(a app) { a.Spec.Distribution = "Public" }, want: `supported values: "Marketplace", "Private", "Account"`},
		"a manager that does not exist":               {change: func(a app) { a.Spec.ManagedBy = "Nobody" }, want: `supported values: "User", "Admin"`},
		"a token policy that does not exist":          {change: func(a app) { a.Spec.TokenPolicy = "Never" }, want: `supported values: "Continuous", "KeepAlive", "None"`},
		"a verification that does not exist":          {change: func(a app) { a.Spec.Verification = "None" }, want: `supported values: "SecretToken", "VerificationToken"`},
		"a use of tokens that does not exist":         {change: func(a app) { a.Spec.AccessTokens = "Public" }, want: `supported values: "Internal", "Shared"`},
		"participants by name":                        {change: func(a app) { a.Spec.Participants = "Names" }, want: `supported values: "Count", "None"`},
		"unknown accounts treated otherwise":          {change: func(a app) { a.Spec.UnknownAccounts = "Refuse" }, want: `supported values: "Record", "Ignore"`},
		"as many scopes as there may be":              {change: func(a app) { a.Spec.Scopes = scopes(64) }},
		"more scopes than there may be":               {change: func(a app) { a.Spec.Scopes = scopes(65) }, want: "spec.scopes: Too many"},
		"scopes that are too long together":           {change: func(a app) { a.Spec.Scopes = scopesOf(26, 77) }, want: "the scopes have at most 2000 characters together"},
		"a scope without a colon":                     {change: needs(v1alpha1.ManagedByUser, "meeting:read:meeting", "hello"), want: colons},
		"a scope that ends in a colon":                {change: needs(v1alpha1.ManagedByUser, "meeting:"), want: colons},
		"scopes of every form that Zoom has":          {change: needs(v1alpha1.ManagedByUser, "meeting:read", "meeting:read:list_meetings", "imchat:bot", "zoomapp:inmeeting", "marketplace:read:app")},
		"a user's scope in an admin-managed app":      {change: needs(v1alpha1.ManagedByAdmin, "user:read:user:admin", "meeting:read:meeting"), want: adminsForm},
		"an event subscription of the default events": {change: subscribes()},
		"one of two events":                           {change: subscribes("meeting.started", "meeting.participant_joined")},
		"one of an event that is none":                {change: subscribes("Meeting started"), want: anEvent},
		"one of events that are too long together": {
			change: subscribes(eventsOf(63, 33)...), want: "the events have at most 2000 characters together",
		},
		"an import in an admin-managed app":            {change: imports(v1alpha1.ManagedByAdmin, v1alpha1.ImportUpcoming)},
		"none in an admin-managed app":                 {change: imports(v1alpha1.ManagedByAdmin, v1alpha1.ImportNone)},
		"an import in a user-managed app":              {change: imports(v1alpha1.ManagedByUser, v1alpha1.ImportUpcoming)},
		"a user's classic one":                         {change: needs(v1alpha1.ManagedByAdmin, "meeting:read"), want: adminsForm},
		"scopes that have no form for admins":          {change: needs(v1alpha1.ManagedByAdmin, "imchat:bot", "zoomapp:inmeeting", "meeting:read:meeting_audio", "recording:read:master", "account:master", "meeting:read:admin")},
		"a scope with a space":                         {change: func(a app) { a.Spec.Scopes = []v1alpha1.Scope{"a:b c"} }, want: aScope},
		"events that may be very old":                  {change: func(a app) { a.Spec.MaxEventAgeSeconds = 86401 }, want: "should be less than or equal to 86400"},
		"events that may not be a minute old":          {change: func(a app) { a.Spec.MaxEventAgeSeconds = 59 }, want: "should be greater than or equal to 60"},
		"retention of less than a minute":              {change: func(a app) { a.Spec.Retention.EndedSeconds = 59 }, want: "should be greater than or equal to 60"},
		"retention of more than a year":                {change: func(a app) { a.Spec.Retention.EndedSeconds = 31536001 }, want: "should be less than or equal to 31536000"},
		"a removed installation for less than an hour": {change: func(a app) { a.Spec.Retention.RemovedSeconds = 3599 }, want: "should be greater than or equal to 3600"},
		"a removed installation for more than a year":  {change: func(a app) { a.Spec.Retention.RemovedSeconds = 31536001 }, want: "should be less than or equal to 31536000"},
		"a grace of less than an hour":                 {change: func(a app) { a.Spec.RemovalGraceSeconds = 3599 }, want: "should be greater than or equal to 3600"},
		"a grace of more than 90 days":                 {change: func(a app) { a.Spec.RemovalGraceSeconds = 7776001 }, want: "should be less than or equal to 7776000"},
		"more instances than an object holds":          {change: func(a app) { a.Spec.Retention.Instances = 21 }, want: "should be less than or equal to 20"},
		"less than one instance":                       {change: func(a app) { a.Spec.Retention.Instances = -1 }, want: "should be greater than or equal to 1"},
		"a URL in place of a cloud":                    {change: func(a app) { a.Spec.Cloud = "https://evil.example" }, want: aCloud},
		"a cloud with a small letter":                  {change: func(a app) { a.Spec.Cloud = "commercial" }, want: aCloud},
		"a cloud with a long name":                     {change: func(a app) { a.Spec.Cloud = v1alpha1.Cloud(strings.Repeat("A", 33)) }, want: "Too long: may not be more than 32 bytes"},
		"a cloud that the operator may know":           {change: func(a app) { a.Spec.Cloud = "Test7" }},
		"an account for an app of one account":         {change: ofAccount},
		"an account that Zoom would not give":          {change: func(a app) { ofAccount(a); a.Spec.AccountID = "a/b" }, want: anAccountID},
		"an account for an app of many": {
			change: func(a app) { a.Spec.AccountID = "account" },
			want:   "accountID goes with distribution Account; an app for several accounts has none, so take it away in the same change",
		},
		"shared access tokens that nobody refreshes": {
			change: func(a app) {
				a.Spec.AccessTokens, a.Spec.TokenPolicy = v1alpha1.AccessTokensShared, v1alpha1.TokenPolicyKeepAlive
			},
			want: "accessTokens Shared needs tokenPolicy Continuous; under another policy there is no access token that others could use",
		},
		"shared access tokens that are kept fresh": {change: func(a app) { a.Spec.AccessTokens = v1alpha1.AccessTokensShared }},
		"another way to be managed": {
			stored: nothing[app], change: func(a app) { a.Spec.ManagedBy = v1alpha1.ManagedByAdmin },
			want: "managedBy cannot be changed, because installations are named after it; create another ZoomApp",
		},
		"an account that becomes known": {
			stored: func(a app) { a.Spec.Distribution = v1alpha1.DistributionAccount }, change: func(a app) { a.Spec.AccountID = "account" },
		},
		"another account":     {stored: ofAccount, change: func(a app) { a.Spec.AccountID = "another" }, want: accountIDIsSet},
		"no account any more": {stored: ofAccount, change: func(a app) { a.Spec.AccountID = "" }, want: accountIDIsSet},
		"an app of one account that becomes one for others": {
			stored: ofAccount, change: func(a app) { a.Spec.AccountID, a.Spec.Distribution = "", v1alpha1.DistributionPrivate },
		},
		"another client ID while customers have the app installed": {
			stored: nothing[app], found: installations(1), change: func(a app) { a.Spec.ClientID = "other" },
			want: "clientID cannot be changed while customers have the app installed, because their tokens belong to it; create another ZoomApp",
		},
		"another cloud while customers have the app installed": {
			stored: nothing[app], found: installations(1), change: func(a app) { a.Spec.Cloud = v1alpha1.CloudGovernment },
		},
		"another client ID after all customers have left": {stored: nothing[app], found: installations(0), change: func(a app) { a.Spec.ClientID = "other" }},
		"another Secret while customers have the app installed": {
			stored: nothing[app], found: installations(1), change: func(a app) { a.Spec.CredentialsSecretRef.Name = "other" },
		},
		"another client ID, Secret and retention": {stored: nothing[app], change: func(a app) {
			a.Spec.ClientID, a.Spec.CredentialsSecretRef.Name, a.Spec.Retention.EndedSeconds = "other", "other", 3600
		}},
	})
}

func TestZoomAppDefaults(t *testing.T) {
	app := validApp()
	app.Namespace, app.Name = controlplane.Namespace(t), "app"
	if err := controlplane.Client(t).Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	want := validApp().Spec
	want.DeletionPolicy = v1alpha1.DeletionPolicyRetain
	want.ManagedBy = v1alpha1.ManagedByUser
	want.TokenPolicy = v1alpha1.TokenPolicyContinuous
	want.AccessTokens = v1alpha1.AccessTokensInternal
	want.Verification = v1alpha1.VerificationSecretToken
	want.MaxEventAgeSeconds = 7200
	want.Participants = v1alpha1.ParticipantsCount
	want.Retention = v1alpha1.Retention{EndedSeconds: 604800, Instances: 10, RemovedSeconds: 2592000, Meetings: 2000}
	want.RemovalGraceSeconds = 604800
	want.APICalls = v1alpha1.APICalls{PerSecond: 1, PerDay: 200}
	want.UnknownAccounts = v1alpha1.UnknownAccountsRecord
	want.Cloud = v1alpha1.CloudCommercial
	if diff := cmp.Diff(want, app.Spec); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func validInstallation() *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{
		AppRef:    v1alpha1.AppReference{Name: "app"},
		AccountID: "AbCdEf_123-4",
		UserID:    "user",
	}}
}

func TestZoomInstallationValidation(t *testing.T) {
	type installation = *v1alpha1.ZoomInstallation
	const (
		accountIDIsSet = "accountID cannot be changed once it is set; create another ZoomInstallation"
		userIDIsSet    = "userID cannot be changed once it is set; create another ZoomInstallation"
		userOfAccount  = "userID needs the accountID that the user belongs to"
		aConsentStays  = "a consent cannot be taken away; to change the rest, use kubectl apply and not replace, and to end the consent, delete the ZoomInstallation"
		aRemovalStays  = "a removal cannot be taken away; to change the rest, use kubectl apply and not replace, and to have the customer back, have them install the app again"
	)
	invitation := func(in installation) { in.Spec.AccountID, in.Spec.UserID = "", "" }
	consented := func(at time.Time) func(installation) {
		return func(in installation) { in.Spec.Consent = &v1alpha1.Consent{At: metav1.NewTime(at)} }
	}
	removed := func(reason v1alpha1.DeauthorizationReason) func(installation) {
		return func(in installation) {
			in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.Now(), Reason: reason}
		}
	}
	back := func(in installation) { in.Spec.Deauthorization = nil }
	check(t, validInstallation, map[string]write[installation]{
		"a consent": {change: func(in installation) {
			in.Spec.Consent = &v1alpha1.Consent{At: metav1.Now(), Scopes: []v1alpha1.Scope{"meeting:read"}}
			in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.Now(), UserID: "user"}
		}},
		"an invitation":                       {change: invitation},
		"no app":                              {change: func(in installation) { in.Spec.AppRef.Name = "" }, want: "spec.appRef"},
		"an app whose name is too long":       {change: func(in installation) { in.Spec.AppRef.Name = strings.Repeat("n", 41) }, want: "spec.appRef.name: Too long"},
		"an admin's word for a customer":      {change: func(in installation) { in.Spec.DisplayName = "Školní obvod 北" }},
		"a word of two lines":                 {change: func(in installation) { in.Spec.DisplayName = "a\nb" }, want: aDisplayName},
		"an account that Zoom would not give": {change: func(in installation) { in.Spec.AccountID = "a/b" }, want: anAccountID},
		"a user that Zoom would not give":     {change: func(in installation) { in.Spec.UserID = "ana@example.com" }, want: "userID is Zoom's ID of a user: one word of letters, digits and -, _, ., +, / and ="},
		"a user of no account":                {change: func(in installation) { in.Spec.AccountID = "" }, want: userOfAccount},
		"a consent at no time":                {change: func(in installation) { in.Spec.Consent = &v1alpha1.Consent{} }, want: "spec.consent.at: Required value"},
		"scopes that are too long together": {
			change: func(in installation) {
				in.Spec.Consent = &v1alpha1.Consent{At: metav1.Now(), Scopes: scopesOf(26, 116)}
			},
			want: "the scopes have at most 3000 characters together",
		},
		"a consent to something with a space": {
			change: func(in installation) {
				in.Spec.Consent = &v1alpha1.Consent{At: metav1.Now(), Scopes: []v1alpha1.Scope{"a b"}}
			},
			want: aScope,
		},
		"a name of 63 characters": {change: func(in installation) { in.Name = strings.Repeat("n", 63) }},
		"a name of 64 characters": {
			change: func(in installation) { in.Name = strings.Repeat("n", 64) },
			want:   "the name of a ZoomInstallation has at most 63 characters, because it is the value of a label on what belongs to it",
		},
		"an invitation that was followed": {
			stored: invitation, change: func(in installation) { in.Spec.AccountID, in.Spec.UserID = "account", "user" },
		},
		"a user that becomes known": {stored: func(in installation) { in.Spec.UserID = "" }, change: func(in installation) { in.Spec.UserID = "user" }},
		"another app": {
			stored: nothing[installation], change: func(in installation) { in.Spec.AppRef.Name = "another" },
			want: "appRef cannot be changed; create another ZoomInstallation",
		},
		"another account":                         {stored: nothing[installation], change: func(in installation) { in.Spec.AccountID = "another" }, want: accountIDIsSet},
		"no account any more":                     {stored: nothing[installation], change: invitation, want: accountIDIsSet},
		"another user":                            {stored: nothing[installation], change: func(in installation) { in.Spec.UserID = "another" }, want: userIDIsSet},
		"no user any more":                        {stored: nothing[installation], change: func(in installation) { in.Spec.UserID = "" }, want: userIDIsSet},
		"no consent any more":                     {stored: consented(time.Now()), change: func(in installation) { in.Spec.Consent = nil }, want: aConsentStays},
		"a later consent":                         {stored: consented(time.Now().Add(-time.Hour)), change: consented(time.Now())},
		"no removal any more, of which Zoom told": {stored: removed(""), change: back, want: aRemovalStays},
		"no removal any more, which a refused token confirmed":    {stored: removed(v1alpha1.DeauthorizationNoticeConfirmed), change: back, want: aRemovalStays},
		"no removal any more, which was concluded and did not be": {stored: removed(v1alpha1.DeauthorizationTokenRefused), change: back},
		"a removal that Zoom tells of after all":                  {stored: removed(v1alpha1.DeauthorizationTokenRefused), change: removed("")},
	})
}

// eventsOf are n names of that length.
func eventsOf(n, length int) []v1alpha1.EventName {
	var names []v1alpha1.EventName
	for i := range n {
		names = append(names, v1alpha1.EventName(fmt.Sprintf("%s.%02d", strings.Repeat("e", length-3), i)))
	}
	return names
}

func validMeeting() *v1alpha1.ZoomMeeting {
	return &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{
		AppRef:          v1alpha1.AppReference{Name: "app"},
		InstallationRef: v1alpha1.InstallationReference{Name: "installation"},
		AccountID:       "account",
		MeetingID:       "81234567890",
	}}
}

func TestZoomMeetingValidation(t *testing.T) {
	type meeting = *v1alpha1.ZoomMeeting
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	instances := func(n int) []v1alpha1.MeetingInstance {
		var list []v1alpha1.MeetingInstance
		for i := range n {
			list = append(list, v1alpha1.MeetingInstance{UUID: fmt.Sprint(i)})
		}
		return list
	}
	occurrences := func(n int) *v1alpha1.MeetingSchedule {
		s := &v1alpha1.MeetingSchedule{}
		for i := range n {
			s.Occurrences = append(s.Occurrences, v1alpha1.MeetingOccurrence{ID: fmt.Sprint(i)})
		}
		return s
	}
	schedule := func(s v1alpha1.MeetingSchedule) func(meeting) { return func(m meeting) { m.Spec.Schedule = &s } }
	instance := func(in v1alpha1.MeetingInstance) func(meeting) {
		in.UUID = "a"
		return func(m meeting) { m.Spec.Instances = []v1alpha1.MeetingInstance{in} }
	}
	check(t, validMeeting, map[string]write[meeting]{
		"the least that is known of a meeting": {change: nothing[meeting]},
		"everything set": {change: func(m meeting) {
			m.Spec.HostID = "host"
			m.Spec.Schedule = &v1alpha1.MeetingSchedule{
				Topic: strings.Repeat("ä", 300), Type: v1alpha1.MeetingTypeRecurring, StartTime: &now, DurationMinutes: new(int32(0)), Timezone: "Europe/Madrid", Room: v1alpha1.RoomPersonal, PersonalRoom: "1234567890",
				Occurrences: []v1alpha1.MeetingOccurrence{{ID: "1772442000000", StartTime: &now, DurationMinutes: new(int32(30)), State: v1alpha1.OccurrenceDeleted}},
			}
			m.Spec.Instances = []v1alpha1.MeetingInstance{{
				UUID: "aB3/xY7+Qk2mN9pLr5tUvw==", StartedAt: &now, SeenAt: &now, EndedAt: &now,
				Participants: new(int32(0)), Peak: new(int32(0)), Joins: new(int32(0)), Precision: v1alpha1.PrecisionEstimated,
				QualityAlerts: new(int32(0)), ScreenShares: new(int32(16)),
			}}
			m.Spec.Removal = &v1alpha1.MeetingRemoval{Action: v1alpha1.RemovalRecovered, At: now}
		}},
		"no app":                            {change: func(m meeting) { m.Spec.AppRef.Name = "" }, want: "spec.appRef"},
		"no installation":                   {change: func(m meeting) { m.Spec.InstallationRef.Name = "" }, want: "spec.installationRef"},
		"no account":                        {change: func(m meeting) { m.Spec.AccountID = "" }, want: "spec.accountID: Required value"},
		"no number":                         {change: func(m meeting) { m.Spec.MeetingID = "" }, want: "spec.meetingID: Required value"},
		"a number with spaces":              {change: func(m meeting) { m.Spec.MeetingID = "812 3456" }, want: "meetingID is the meeting number: digits only, without spaces"},
		"a number that is too long":         {change: func(m meeting) { m.Spec.MeetingID = strings.Repeat("1", 21) }, want: "spec.meetingID: Too long"},
		"a topic that is too long":          {change: schedule(v1alpha1.MeetingSchedule{Topic: strings.Repeat("t", 301)}), want: "spec.schedule.topic: Too long"},
		"a kind that does not exist":        {change: schedule(v1alpha1.MeetingSchedule{Type: "Webinar"}), want: "spec.schedule.type: Unsupported value"},
		"a negative length":                 {change: schedule(v1alpha1.MeetingSchedule{DurationMinutes: new(int32(-1))}), want: "should be greater than or equal to 0"},
		"a length of months":                {change: schedule(v1alpha1.MeetingSchedule{DurationMinutes: new(int32(100001))}), want: "should be less than or equal to 100000"},
		"a personal room that is no number": {change: schedule(v1alpha1.MeetingSchedule{PersonalRoom: "my room"}), want: "spec.schedule.personalRoom"},
		"a room that does not exist":        {change: schedule(v1alpha1.MeetingSchedule{Room: "Breakout"}), want: `supported values: "Personal", "Own"`},
		"as many occurrences as fit":        {change: func(m meeting) { m.Spec.Schedule = occurrences(64) }},
		"more occurrences than fit":         {change: func(m meeting) { m.Spec.Schedule = occurrences(65) }, want: "spec.schedule.occurrences: Too many"},
		"an occurrence without an id": {
			change: schedule(v1alpha1.MeetingSchedule{Occurrences: []v1alpha1.MeetingOccurrence{{StartTime: &now}}}), want: "spec.schedule.occurrences[0].id: Required value",
		},
		"an occurrence in a state that does not exist": {
			change: schedule(v1alpha1.MeetingSchedule{Occurrences: []v1alpha1.MeetingOccurrence{{ID: "1", State: "Moved"}}}), want: `supported values: "Planned", "Deleted"`,
		},
		"as many instances as fit":   {change: func(m meeting) { m.Spec.Instances = instances(32) }},
		"more instances than fit":    {change: func(m meeting) { m.Spec.Instances = instances(33) }, want: "spec.instances: Too many"},
		"an instance without a uuid": {change: func(m meeting) { m.Spec.Instances = []v1alpha1.MeetingInstance{{StartedAt: &now}} }, want: "spec.instances[0].uuid: Required value"},
		"fewer joins than none":      {change: instance(v1alpha1.MeetingInstance{Joins: new(int32(-1))}), want: "should be greater than or equal to 0"},
		"a precision between":        {change: instance(v1alpha1.MeetingInstance{Precision: "Rough"}), want: `supported values: "Exact", "Estimated"`},
		"a removal that is none":     {change: func(m meeting) { m.Spec.Removal = &v1alpha1.MeetingRemoval{Action: "Moved", At: now} }, want: `supported values: "Deleted", "PermanentlyDeleted", "Recovered"`},
		"a removal at no time":       {change: func(m meeting) { m.Spec.Removal = &v1alpha1.MeetingRemoval{Action: v1alpha1.RemovalDeleted} }, want: "spec.removal.at: Required value"},
		"another app":                {stored: nothing[meeting], change: func(m meeting) { m.Spec.AppRef.Name = "another" }, want: "appRef cannot be changed"},
		"another account":            {stored: nothing[meeting], change: func(m meeting) { m.Spec.AccountID = "another" }, want: "accountID cannot be changed"},
		"another number":             {stored: nothing[meeting], change: func(m meeting) { m.Spec.MeetingID = "1" }, want: "meetingID cannot be changed"},
		"another host and installation": {stored: nothing[meeting], change: func(m meeting) {
			m.Spec.HostID, m.Spec.InstallationRef.Name = "another", "another"
		}},
	})
}

// What has no field cannot be stored.
func TestMeetingHasNoFieldForPersonsOrPasscodes(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "zoom-operator.io_zoommeetings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd any
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	for _, field := range fields(crd) {
		for _, word := range []string{"password", "passcode", "email", "username", "joinurl", "starturl", "download"} {
			if strings.Contains(strings.ToLower(field), word) {
				t.Errorf("a ZoomMeeting has a field %s", field)
			}
		}
	}
}

// fields are the names of all properties in a schema.
func fields(node any) []string {
	var found []string
	switch node := node.(type) {
	case []any:
		for _, v := range node {
			found = append(found, fields(v)...)
		}
	case map[string]any:
		if properties, ok := node["properties"].(map[string]any); ok {
			for name := range properties {
				found = append(found, name)
			}
		}
		for _, v := range node {
			found = append(found, fields(v)...)
		}
	}
	return found
}

func TestSelectableFields(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	m := validMeeting()
	m.Namespace, m.Name, m.Spec.HostID = namespace, "app-81234567890", "host"
	in := validInstallation()
	in.Namespace, in.Name = namespace, "app-0123456789"
	for _, obj := range []client.Object{m, in} {
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	m.Status.State = v1alpha1.MeetingLive
	if err := c.Status().Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]string{
		"spec.appRef.name": "app", "spec.installationRef.name": "installation", "spec.accountID": "account",
		"spec.hostID": "host", "spec.meetingID": "81234567890", "status.state": "Live",
	} {
		selects(t, c, &v1alpha1.ZoomMeetingList{}, namespace, field, value)
	}
	for field, value := range map[string]string{"spec.appRef.name": "app", "spec.accountID": "AbCdEf_123-4", "spec.userID": "user"} {
		selects(t, c, &v1alpha1.ZoomInstallationList{}, namespace, field, value)
	}
}

// selects checks that a field selector finds the one object, and by another value none.
func selects(t *testing.T, c client.Client, list client.ObjectList, namespace, field, value string) {
	t.Helper()
	for value, want := range map[string]int{value: 1, value + "x": 0} {
		if err := c.List(t.Context(), list, client.InNamespace(namespace), client.MatchingFields{field: value}); err != nil {
			t.Errorf("selecting %s: %v", field, err)
			continue
		}
		if got := count(list); got != want {
			t.Errorf("%s=%s selects %d objects, want %d", field, value, got, want)
		}
	}
}

func count(list client.ObjectList) int {
	switch list := list.(type) {
	case *v1alpha1.ZoomMeetingList:
		return len(list.Items)
	case *v1alpha1.ZoomInstallationList:
		return len(list.Items)
	default:
		return -1
	}
}

// A status is as bounded as a spec: an operator that goes wrong must not fill etcd.
func TestStatusIsValidated(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	m := validMeeting()
	m.Namespace, m.Name = namespace, "app-81234567890"
	if err := c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.Status.State = "Sleeping"
	if err := c.Status().Update(t.Context(), m); !apierrors.IsInvalid(err) {
		t.Errorf("a state that does not exist: %v", err)
	}
	m.Status = v1alpha1.ZoomMeetingStatus{Last: &v1alpha1.LastInstance{UUID: "a", DurationSeconds: new(int64(-1))}}
	if err := c.Status().Update(t.Context(), m); !apierrors.IsInvalid(err) {
		t.Errorf("a negative length: %v", err)
	}
}

// The status of an object is not written with it.
func TestStatusIsASubresource(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	for _, obj := range []client.Object{
		func() client.Object { a := validApp(); a.Status.WebhookURL = "https://x"; return a }(),
		func() client.Object { in := validInstallation(); in.Status.InstallURL = "https://x"; return in }(),
		func() client.Object { m := validMeeting(); m.Status.State = v1alpha1.MeetingLive; return m }(),
	} {
		obj.SetNamespace(namespace)
		obj.SetName("object")
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	var app v1alpha1.ZoomApp
	var in v1alpha1.ZoomInstallation
	var m v1alpha1.ZoomMeeting
	for _, obj := range []client.Object{&app, &in, &m} {
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "object"}, obj); err != nil {
			t.Fatal(err)
		}
	}
	if app.Status.WebhookURL != "" || in.Status.InstallURL != "" || m.Status.State != "" {
		t.Errorf("a status was created with its object: %+v, %+v, %+v", app.Status, in.Status, m.Status)
	}
}
