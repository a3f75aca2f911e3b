package meeting

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// formerObject is an object as it was stored before the merge state was an annotation, from the
// events before, and compacted and with its status as of then; and events after.
type formerObject struct {
	Stored        *v1alpha1.ZoomMeeting
	Now           time.Time
	Before, After []struct {
		Event        *zoom.Event
		Installation string
	}
}

func formerObjects(t *testing.T) map[string]formerObject {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "former", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	objects := map[string]formerObject{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var o formerObject
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		objects[strings.TrimSuffix(filepath.Base(file), ".json")] = o
	}
	return objects
}

// Every fact, count and watermark of an object that was stored before the merge state was an
// annotation survives, and what happens then makes of it what it would have without the upgrade.
func TestFormerObjectsKeepEverything(t *testing.T) {
	t.Parallel()
	app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{
		Participants: v1alpha1.ParticipantsCount, Retention: v1alpha1.Retention{EndedSeconds: 604800, Instances: 10},
	}}
	for name, o := range formerObjects(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, fresh := o.Stored, &v1alpha1.ZoomMeeting{ObjectMeta: *o.Stored.ObjectMeta.DeepCopy()}
			for _, d := range o.Before {
				if err := Change(d.Event, installationOf(d.Installation, ""), v1alpha1.ParticipantsCount)(fresh); err != nil {
					t.Fatal(err)
				}
			}
			Compact(o.Now, fresh, RetentionOf(app))
			same := func(when string) {
				t.Helper()
				if d := diff(*load(fresh), *load(stored)); d != "" {
					t.Fatalf("%s (-without an upgrade +upgraded):\n%s", when, d)
				}
			}
			same("as stored")
			// What a condition says may be worded anew.
			words := cmpopts.IgnoreFields(metav1.Condition{}, "Message")
			if d := cmp.Diff(stored.Status, Status(o.Now, stored, RetentionOf(app)), cmpopts.EquateEmpty(), words); d != "" {
				t.Errorf("the status changes by the upgrade alone:\n%s", d)
			}
			if Compact(o.Now, stored, RetentionOf(app)) || len(stored.Annotations) > 0 {
				t.Error("it is written although nothing happened")
			}
			for _, d := range o.After {
				for _, m := range []*v1alpha1.ZoomMeeting{fresh, stored} {
					if err := Change(d.Event, installationOf(d.Installation, ""), v1alpha1.ParticipantsCount)(m); err != nil {
						t.Fatal(err)
					}
				}
				same("after " + d.Event.Name)
			}
			stored.TypeMeta, stored.Status = fresh.TypeMeta, fresh.Status
			if d := cmp.Diff(fresh, stored, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("what is stored then (-without an upgrade +upgraded):\n%s", d)
			}
		})
	}
}

// A replica of the version before, which is still there while the operator is upgraded, keeps the
// annotation, drops the fields it does not know, and begins its merge state anew.
func TestAReplicaOfTheVersionBeforeTakesNothingAway(t *testing.T) {
	t.Parallel()
	m := counted(t)
	before := load(m)
	var old struct {
		metav1.ObjectMeta `json:"metadata"`
		Spec              map[string]any `json:"spec"`
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &old); err != nil {
		t.Fatal(err)
	}
	instances, _, err := unstructured.NestedSlice(old.Spec, "instances")
	if err != nil {
		t.Fatal(err)
	}
	var former []map[string]any
	for _, in := range instances {
		if in, ok := in.(map[string]any); ok {
			for _, field := range []string{"participants", "peak", "joins", "precision", "qualityAlerts", "screenShares"} {
				delete(in, field)
			}
			former = append(former, in)
		}
	}
	old.Spec["instances"] = former
	if raw, err = json.Marshal(old); err != nil {
		t.Fatal(err)
	}
	kept := &v1alpha1.ZoomMeeting{}
	if err := json.Unmarshal(raw, kept); err != nil {
		t.Fatal(err)
	}
	if d := diff(*before, *load(kept)); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}

	// It takes a join and the topic of an older event, which it does not know to be older.
	roster := decodeRoster(nil)
	segment, _ := segmentOf("u", user(8))
	segment.join = stamp(minutes(8))
	roster.add(segment)
	former[0]["attendance"] = map[string]any{"sessions": roster.encode()}
	if err := unstructured.SetNestedField(old.Spec, "Older", "schedule", "topic"); err != nil {
		t.Fatal(err)
	}
	old.Spec["watermarks"] = map[string]any{"topic": *millis(-20)}
	if raw, err = json.Marshal(old); err != nil {
		t.Fatal(err)
	}
	mixed := &v1alpha1.ZoomMeeting{}
	if err := json.Unmarshal(raw, mixed); err != nil {
		t.Fatal(err)
	}
	take(t, mixed, said(zoom.EventMeetingCreated, -9, topic("Weekly"))) // once more
	if in := mixed.Spec.Instances[0]; mixed.Spec.Schedule.Topic != "Weekly" || *in.Joins != 4 || *in.Participants != 3 {
		t.Errorf("the topic is %s, and the instance %+v", mixed.Spec.Schedule.Topic, in)
	}
	if d := cmp.Diff(before.Occurrences, load(mixed).Occurrences, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("occurrences (-before +after):\n%s", d)
	}
}

// Who may write ZoomMeetings can write anything into the former fields, which have no schema any
// more. Nothing that the API server would refuse comes of it, and nothing else is given up for it.
func TestFormerFieldsThatCouldNotBe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ attendance, alerts string }{
		"negative joins":       {`{"joins":-1,"peak":2}`, ``},
		"negative peak":        {`{"joins":1,"peak":-2}`, ``},
		"a precision of none":  {`{"joins":1,"peak":1,"precision":"x"}`, ``},
		"too many sessions":    {`{"sessions":"` + strings.Repeat("AAAA", 30_000) + `"}`, ``},
		"negative alerts":      {``, `{"lastAt":"2026-03-02T09:00:00Z","count":-3}`},
		"too many alerts seen": {``, `{"lastAt":"2026-03-02T09:00:00Z","seen":"` + strings.Repeat("AAAA", 30_000) + `"}`},
		"text":                 {`"x"`, `"y"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := counted(t)
			before := len(m.Spec.Instances)
			in := &m.Spec.Instances[0]
			if tt.attendance != "" {
				in.Attendance = &runtime.RawExtension{Raw: []byte(tt.attendance)} //nolint:staticcheck // as a tenant writes it
			}
			if tt.alerts != "" {
				in.Alerts = &runtime.RawExtension{Raw: []byte(tt.alerts)} //nolint:staticcheck // the same
			}
			take(t, m, said(zoom.EventMeetingCreated, -9, topic("Weekly")))
			in = &m.Spec.Instances[0]
			if value(in.Joins) < 0 || value(in.Peak) < 0 || value(in.QualityAlerts) < 0 || in.Precision == "x" {
				t.Errorf("the instance is %+v", in)
			}
			if len(m.Spec.Instances) != before || len(m.Annotations) == 0 {
				t.Errorf("%d instances of %d and %d annotations are left", len(m.Spec.Instances), before, len(m.Annotations))
			}
		})
	}
}

// A series that a replica of the version before planned anew, by an event that was late, has no
// changes of single dates that are newer than the plan they belong to.
func TestAPlanOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	m := counted(t)
	if len(m.Spec.Schedule.Occurrences) == 0 {
		t.Fatal("it has no dates")
	}
	m.Spec.Watermarks = &runtime.RawExtension{Raw: []byte(`{"occurrences":` + strconv.FormatInt(*millis(-30), 10) + `}`)} //nolint:staticcheck // as that replica writes it
	r := load(m)
	for _, o := range r.Occurrences {
		if latestChange(&o) != nil {
			t.Errorf("%s has a change of its own", o.ID)
		}
	}
	if *r.Watermarks.Occurrences != *millis(-30) {
		t.Errorf("the plan is of %d", *r.Watermarks.Occurrences)
	}
}
