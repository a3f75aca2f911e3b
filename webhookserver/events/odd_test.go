package events_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// ignoredCounts are the fields that were counted as ignored, by event and field.
func ignoredCounts(t testing.TB) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "zoom_operator_ignored_fields_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			counts[strings.Join(labels, " ")] = metric.GetCounter().GetValue()
		}
	}
	return counts
}

// What is odd about an event costs it a field at most: the API server stores all the rest. Both
// kinds of apps are tried, for in a user-managed one the host's ID names an installation.
func TestOddFieldsDoNotCostTheEvent(t *testing.T) {
	const object = "payload.object."
	for _, setting := range map[string][]servertest.Setting{"user-managed": nil, "admin-managed": {servertest.WithApp(servertest.AdminManaged)}} {
		c, namespace := controlplane.Client(t), controlplane.Namespace(t)
		servertest.CreateApp(t, c, namespace, setting...)
		r := servertest.StartReplica(t, namespace)
		now := time.Now()
		number := int64(81000000200)
		for name, test := range map[string]struct {
			event   string
			id      string // of the meeting, with the number in it
			fields  string // of the object
			payload string
			time    string
			ignored []string
			check   func(*v1alpha1.ZoomMeeting) bool
		}{
			"an object for occurrences": {fields: `"occurrences":{}`, ignored: []string{object + "occurrences"}},
			"a status of another kind": {
				event: zoom.EventMeetingCreated, fields: `"occurrences":[{"occurrence_id":"1","status":"started"},{"occurrence_id":"2","status":"Deleted"}]`,
				ignored: []string{object + "occurrences.status"},
				check: func(m *v1alpha1.ZoomMeeting) bool {
					list := m.Spec.Schedule.Occurrences
					return len(list) == 2 && list[0].State == "" && list[1].State == v1alpha1.OccurrenceDeleted
				},
			},
			"all of a series, in capitals": {
				event: zoom.EventMeetingDeleted, payload: `"operation":"ALL"`, fields: `"type":8`,
				check: func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.Removal != nil },
			},
			"a date and all that follow": {
				event: zoom.EventMeetingDeleted, payload: `"operation":"following"`, fields: `"type":8,"occurrences":[{"occurrence_id":"1"}]`,
				check: func(m *v1alpha1.ZoomMeeting) bool {
					return m.Spec.Removal == nil && m.Spec.Schedule.Occurrences[0].State == v1alpha1.OccurrenceDeleted
				},
			},
			"a start without seconds": {
				event: zoom.EventMeetingCreated, fields: `"start_time":"2026-11-26T10:56Z"`,
				check: func(m *v1alpha1.ZoomMeeting) bool {
					return m.Spec.Schedule.StartTime.UTC().Format(time.RFC3339) == "2026-11-26T10:56:00Z"
				},
			},
			"a start that is none": {fields: `"start_time":"Invalid date"`, ignored: []string{object + "start_time"}},
			"the first day of all": {
				fields: `"start_time":"0001-01-01T00:00:00Z"`, ignored: []string{object + "start_time"},
				check: func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.Instances[0].StartedAt == nil },
			},
			"a time that is none": {
				time: `{"at":"noon"}`, ignored: []string{"event_ts"},
				check: func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.Instances[0].SeenAt.Unix() == now.Unix() },
			},
			"a participant without a number": {
				event: zoom.EventParticipantJoined, fields: `"participant":{"user_id":-1,"participant_uuid":"a"}`,
				ignored: []string{object + "participant.user_id"},
				check:   func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.Instances[0].Joins != nil },
			},
			"an empty list for a participant": {
				event: zoom.EventParticipantLeft, fields: `"participant":[]`, ignored: []string{object + "participant"},
			},
			"a host of base64": {
				fields: `"host_id":"a+b/c="`,
				check:  func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.HostID == "a+b/c=" },
			},
			"a host that is an address": {
				fields: `"host_id":"a@b"`, ignored: []string{object + "host_id"},
				check: func(m *v1alpha1.ZoomMeeting) bool { return strings.HasPrefix(m.Spec.HostID, "sha256-") },
			},
			"a number with an exponent": {id: "%d.0e0"},
			"a number with blanks":      {id: `" %d "`},
		} {
			t.Run(name, func(t *testing.T) {
				number++
				if test.id == "" {
					test.id = "%d"
				}
				fields := fmt.Sprintf(`"id":`+test.id+`,"uuid":"uuid%[1]d=="`, number)
				for _, more := range []string{`"host_id":"hOsT"`, test.fields} {
					if more != "" && (more == test.fields || !strings.Contains(test.fields, "host_id")) {
						fields += "," + more
					}
				}
				at, name, payload := fmt.Sprint(now.UnixMilli()), zoom.EventMeetingStarted, `"account_id":"AccT_odd"`
				if test.time != "" {
					at = test.time
				}
				if test.event != "" {
					name = test.event
				}
				if test.payload != "" {
					payload += "," + test.payload
				}
				body := fmt.Appendf(nil, `{"event":%q,"event_ts":%s,"payload":{%s,"object":{%s}}}`, name, at, payload, fields)
				before := ignoredCounts(t)
				got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body, fixture.Signed(fixture.SecretToken, now, body)...))
				if got.Status != http.StatusNoContent {
					t.Fatalf("answered %d, want 204", got.Status)
				}
				m := fixture.StoredMeeting(t, c, namespace, number)
				if test.check != nil && !test.check(m) {
					t.Errorf("stored was %+v", m.Spec)
				}
				after := ignoredCounts(t)
				for _, field := range test.ignored {
					key := name + " " + field
					if after[key] != before[key]+1 {
						t.Errorf("%s was counted %v times, want once", key, after[key]-before[key])
					}
					delete(after, key)
				}
				for key, n := range after {
					if n != before[key] {
						t.Errorf("%s was counted", key)
					}
				}
			})
		}
	}
}

// The counter's labels are never of a sender's making: events that are not known, or not signed,
// are not counted.
func TestIgnoredFieldsAreCountedOfGenuineEventsAlone(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	before := fmt.Sprint(ignoredCounts(t))
	for name, test := range map[string]struct {
		body string
		sign bool
		want int
	}{
		"an event that is not known":  {`{"event":"a.b","event_ts":{},"payload":{"account_id":[],"object":[]}}`, true, http.StatusNoContent},
		"an event that is not signed": {`{"event":"meeting.started","event_ts":{},"payload":{"account_id":"a","object":{"id":1}}}`, false, http.StatusUnauthorized},
		"a challenge that is not":     {`{"event":"endpoint.url_validation","event_ts":{},"payload":{"plainToken":"abc"}}`, false, http.StatusOK},
		"an event that is refused":    {`{"event":"meeting.started","event_ts":{},"payload":{"account_id":"a","object":{"topic":[]}}}`, true, http.StatusBadRequest},
	} {
		var headers []string
		if test.sign {
			headers = fixture.Signed(fixture.SecretToken, time.Now(), []byte(test.body))
		}
		if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), []byte(test.body), headers...)); got.Status != test.want {
			t.Errorf("%s was answered %d, want %d", name, got.Status, test.want)
		}
	}
	if after := fmt.Sprint(ignoredCounts(t)); after != before {
		t.Errorf("counted %s, before %s", after, before)
	}
}
