package stalled

import (
	"os"
	"regexp"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// TestKstatus asks the library by which tools judge objects.
func TestKstatus(t *testing.T) {
	for name, tt := range map[string]struct {
		ready    metav1.ConditionStatus
		reason   string
		observed int64 // generation of an object whose generation is 2
		deleted  bool
		want     status.Status
	}{
		"an app in order":                   {metav1.ConditionTrue, v1alpha1.ReasonConfigured, 2, false, status.CurrentStatus},
		"an app that was changed":           {metav1.ConditionTrue, v1alpha1.ReasonConfigured, 1, false, status.InProgressStatus},
		"an app without its Secret":         {metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, 2, false, status.FailedStatus},
		"one that Zoom refuses":             {metav1.ConditionFalse, v1alpha1.ReasonClientRejected, 2, false, status.FailedStatus},
		"one whose claim is open":           {metav1.ConditionFalse, v1alpha1.ReasonClientIDContested, 2, false, status.InProgressStatus},
		"one whose events fit no secret":    {metav1.ConditionUnknown, v1alpha1.ReasonSecretTokenWrong, 2, false, status.InProgressStatus},
		"one that is suspended":             {metav1.ConditionFalse, v1alpha1.ReasonSuspended, 2, false, status.InProgressStatus},
		"a consent that stands":             {metav1.ConditionTrue, v1alpha1.ReasonConsented, 2, false, status.CurrentStatus},
		"an invitation":                     {metav1.ConditionFalse, v1alpha1.ReasonInvited, 2, false, status.InProgressStatus},
		"a consent that is under way":       {metav1.ConditionUnknown, v1alpha1.ReasonInstalling, 2, false, status.InProgressStatus},
		"a refresh that is tried again":     {metav1.ConditionFalse, v1alpha1.ReasonRefreshFailing, 2, false, status.InProgressStatus},
		"a token that Zoom refuses":         {metav1.ConditionFalse, v1alpha1.ReasonTokenRevoked, 2, false, status.FailedStatus},
		"a customer who left":               {metav1.ConditionFalse, v1alpha1.ReasonDeauthorized, 2, false, status.FailedStatus},
		"an object that is being deleted":   {metav1.ConditionFalse, v1alpha1.ReasonTerminating, 2, true, status.TerminatingStatus},
		"one that was failing when deleted": {metav1.ConditionFalse, v1alpha1.ReasonTokenRevoked, 2, true, status.TerminatingStatus},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "one", Generation: 2}}
			if tt.deleted {
				in.DeletionTimestamp = new(metav1.Unix(1700000000, 0))
			}
			in.Status.ObservedGeneration = tt.observed
			ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: tt.ready, Reason: tt.reason, Message: "It is so.", ObservedGeneration: tt.observed}
			in.Status.Conditions = []metav1.Condition{ready}
			Set(&in.Status.Conditions, ready)
			if got := judged(t, in); got != tt.want {
				t.Errorf("it is %s, want %s; its conditions are %+v", got, tt.want, in.Status.Conditions)
			}
			want := argoCD[tt.want]
			if tt.reason == v1alpha1.ReasonInvited || tt.reason == v1alpha1.ReasonSuspended {
				want = "Suspended"
			}
			if got := byArgoCD(t, in); !tt.deleted && got != want {
				t.Errorf("by the script for Argo CD it is %s, want %s", got, want)
			}
			healthy := ready
			healthy.Status = metav1.ConditionTrue
			if Set(&in.Status.Conditions, healthy); meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionStalled) != nil {
				t.Error("Stalled stays when Ready is True")
			}
		})
	}
}

// A ZoomMeeting is what Zoom reported, and waits for nothing.
func TestKstatusOfMeetings(t *testing.T) {
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Name: "one", Generation: 2}}
	for _, live := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse} {
		m.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionLive, Status: live, Reason: v1alpha1.ReasonStarted}}
		if got := judged(t, m); got != status.CurrentStatus {
			t.Errorf("a meeting whose Live is %s is %s, want %s", live, got, status.CurrentStatus)
		}
	}
}

// argoCD is what Argo CD calls them.
var argoCD = map[status.Status]string{status.CurrentStatus: "Healthy", status.InProgressStatus: "Progressing", status.FailedStatus: "Degraded"}

// byArgoCD is what the script in config says of an object.
func byArgoCD(t *testing.T, obj runtime.Object) string {
	t.Helper()
	script, err := os.ReadFile("../../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatal(err)
	}
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", toLua(state, content))
	if err := state.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	health, ok := state.Get(-1).(*lua.LTable)
	if !ok || health.RawGetString("message").String() == "" {
		t.Fatalf("the script returns %v", state.Get(-1))
	}
	return health.RawGetString("status").String()
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range v {
			table.RawSetString(key, toLua(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, element := range v {
			table.Append(toLua(state, element))
		}
		return table
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	default:
		return lua.LNil
	}
}

func judged(t *testing.T, obj runtime.Object) status.Status {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

// TestEveryReasonIsListed holds the page of conditions against what is set: each reason for which
// Ready is False is one for which an object is stalled, or one that may pass.
func TestEveryReasonIsListed(t *testing.T) {
	page, err := os.ReadFile("../../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := func(heading, status string) sets.Set[string] {
		_, section, _ := strings.Cut(string(page), "\n### "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		found := sets.New[string]()
		for _, row := range regexp.MustCompile(`(?m)^\| `+status+` \| (\w+) \|`).FindAllStringSubmatch(section, -1) {
			found.Insert(row[1])
		}
		return found
	}
	for _, kind := range []string{"ZoomApp", "ZoomInstallation"} {
		listed, failing := reasons("Stalled of a "+kind, "True"), reasons("Ready of a "+kind, "False")
		if len(listed) < 5 || len(failing) < len(listed) {
			t.Fatalf("of a %s the page lists %v of %v", kind, listed, failing)
		}
		for reason := range failing.Union(listed) {
			var conditions []metav1.Condition
			Set(&conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason})
			if set := len(conditions) > 0; set != listed.Has(reason) || !failing.Has(reason) {
				t.Errorf("a %s with %s is stalled: %t; the page lists it: %t, and as a reason of Ready: %t", kind, reason, set, listed.Has(reason), failing.Has(reason))
			}
		}
	}
}
