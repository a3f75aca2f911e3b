package prometheus

import (
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

const rulesFile = "../../config/prometheus/rules.yaml"

// rules are those of the operator by their name.
func rules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.UTF8Validation, language, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Fatal(err)
	}
	all := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r
		}
	}
	return all
}

// Each alert fires when what it watches is broken, and not while all is well or has not been broken
// for long.
func TestAlertsFireOnWhatIsBrokenAlone(t *testing.T) {
	const (
		conditions = `zoom_operator_installation_conditions{namespace="ns",app="app",`
		app        = `{app="app", namespace="ns"}`
		day        = 24 * time.Hour
	)
	validated := fmt.Sprintf(`zoom_operator_app_endpoint_validated_timestamp_seconds{namespace="ns",app="app"} %dx10000`, begin.Unix())
	lag := func(metric string, le60, le330, all string) []string {
		return []string{
			metric + `_bucket{le="60",namespace="system"} ` + le60, metric + `_bucket{le="330",namespace="system"} ` + le330,
			metric + `_bucket{le="+Inf",namespace="system"} ` + all, metric + `_count{namespace="system"} ` + all,
		}
	}
	answers := func(code, reason, values string) string {
		return fmt.Sprintf(`zoom_operator_webhooks_total{namespace="ns",app="app",event="meeting.started",code=%q,reason=%q} %s`, code, reason, values)
	}
	consents := conditions + `condition="Authorized",status="True",reason="Consented"} `
	type moment struct {
		after   time.Duration
		summary string // empty where nothing fires
	}
	type history struct {
		series []string
		labels string // of what fires
		at     []moment
	}
	all := map[string]map[string]history{
		"ZoomOperatorNoLeader": {
			"one leads, one waits, two receive": {
				series: []string{
					`zoom_operator_controllers_running{namespace="system",pod="a"} 1x20`, `zoom_operator_controllers_running{namespace="system",pod="b"} 0x20`,
					`zoom_operator_controllers_running{namespace="system",pod="c"} 0x20`,
				},
				at: []moment{{20 * time.Minute, ""}},
			},
			"the lease goes from one to the other": {
				series: []string{`zoom_operator_controllers_running{namespace="system",pod="a"} 1x10 0x10`, `zoom_operator_controllers_running{namespace="system",pod="b"} 0x12 1x8`},
				at:     []moment{{14 * time.Minute, ""}, {20 * time.Minute, ""}},
			},
			"both wait": {
				series: []string{`zoom_operator_controllers_running{namespace="system",pod="a"} 1x10 0x20`, `zoom_operator_controllers_running{namespace="system",pod="b"} 0x30`},
				labels: `{namespace="system"}`,
				at:     []moment{{15 * time.Minute, ""}, {20 * time.Minute, "No process of the Zoom operator runs the controllers."}},
			},
			"there is nothing": {labels: "{}", at: []moment{{10 * time.Minute, "No process of the Zoom operator runs the controllers."}}},
			"one of two operators is gone": {
				series: []string{`zoom_operator_controllers_running{namespace="system",pod="a"} 1x10 _x30`, `zoom_operator_controllers_running{namespace="other",pod="b"} 1x40`},
				labels: `{namespace="system"}`,
				at:     []moment{{12 * time.Minute, ""}, {25 * time.Minute, "No process of the Zoom operator runs the controllers."}},
			},
		},
		"ZoomOperatorNoReceiver": {
			"two receive": {
				series: []string{
					`zoom_operator_controllers_running{namespace="system",pod="a"} 1x20`,
					`zoom_operator_commit_unanswered_changes{namespace="system",pod="b",kind="meeting"} 0x20`, `zoom_operator_commit_unanswered_changes{namespace="system",pod="c",kind="meeting"} 3x20`,
				},
				at: []moment{{20 * time.Minute, ""}},
			},
			"those of one operator do not start": {
				series: []string{
					`zoom_operator_controllers_running{namespace="system",pod="a"} 1x20`, `zoom_operator_controllers_running{namespace="other",pod="a"} 1x20`,
					`zoom_operator_commit_unanswered_changes{namespace="other",pod="b",kind="meeting"} 0x20`,
				},
				labels: `{namespace="system"}`,
				at:     []moment{{4 * time.Minute, ""}, {10 * time.Minute, "No process of the Zoom operator receives webhooks."}},
			},
			"there is nothing": {labels: `{kind="meeting"}`, at: []moment{{10 * time.Minute, "No process of the Zoom operator receives webhooks."}}},
		},
		"ZoomOperatorAppStalled": {
			"its namespace lost a label": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="Stalled",status="True",reason="NamespaceNotSelected"} 1x60`},
				labels: `{app="app", namespace="ns", reason="NamespaceNotSelected"}`,
				at:     []moment{{10 * time.Minute, ""}, {20 * time.Minute, "ns/app does not work until somebody changes something: NamespaceNotSelected."}},
			},
			"it is in order": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="Ready",status="True",reason="Configured"} 1x60`},
				at:     []moment{{time.Hour, ""}},
			},
		},
		"ZoomOperatorEndpointValidationOverdue": {
			"validated": {series: []string{validated}, labels: app, at: []moment{
				{time.Hour, ""},
				{75 * time.Hour, ""},
				{120 * time.Hour, ""},
				{121 * time.Hour, "Zoom has not validated the webhook URL of ns/app for 5d 1h 0m 0s."},
			}},
		},
		"ZoomOperatorEndpointNeverValidated": {
			"new": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="EndpointValidated",status="Unknown",reason="NeverValidated"} 1x6000`},
				labels: app, at: []moment{{79 * time.Hour, ""}, {81 * time.Hour, "Zoom has never validated the webhook URL of ns/app."}},
			},
			"restored, and events arrive": {
				series: []string{
					`zoom_operator_app_conditions{namespace="ns",app="app",condition="EndpointValidated",status="Unknown",reason="NeverValidated"} 1x6000`,
					fmt.Sprintf(`zoom_operator_app_last_event_timestamp_seconds{namespace="ns",app="app"} %dx6000`, begin.Unix()),
				},
				at: []moment{{81 * time.Hour, ""}},
			},
			"validated": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="EndpointValidated",status="True",reason="Validated"} 1x4000`},
				at:     []moment{{49 * time.Hour, ""}},
			},
		},
		"ZoomOperatorEventsRefused": {
			"the secret token is wrong": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="EventsVerified",status="False",reason="SecretTokenWrong"} 1x20`, consents + "1x20"},
				labels: `{app="app", namespace="ns", reason="SecretTokenWrong"}`,
				at:     []moment{{4 * time.Minute, ""}, {6 * time.Minute, "Events of ns/app cannot be verified: SecretTokenWrong."}},
			},
			"a stranger tries an app without customers": {
				series: []string{`zoom_operator_app_conditions{namespace="ns",app="app",condition="EventsVerified",status="False",reason="SecretTokenWrong"} 1x20`, consents + "0x20"},
				at:     []moment{{20 * time.Minute, ""}},
			},
			"it is right": {
				series: []string{
					`zoom_operator_app_conditions{namespace="ns",app="app",condition="EventsVerified",status="True",reason="Verified"} 1x20`,
					`zoom_operator_app_conditions{namespace="ns",app="new",condition="EventsVerified",status="Unknown",reason="NoEventYet"} 1x20`,
				},
				at: []moment{{20 * time.Minute, ""}},
			},
		},
		"ZoomOperatorEventsPutOff": {
			"the API server is away": {
				series: []string{answers("204", "stored", "0+60x60 3600x60"), answers("503", "not_stored", "0x60 0+60x60")},
				labels: app, at: []moment{{time.Hour, ""}, {65 * time.Minute, ""}, {80 * time.Minute, "100% of the events of ns/app are answered 503, since they could not be stored."}},
			},
			"the API server is away, and a stranger forges": {
				series: []string{answers("503", "not_stored", "0+60x60"), answers("503", "wrong_signature", "0+1500x60")},
				labels: app, at: []moment{{5 * time.Minute, ""}, {30 * time.Minute, "100% of the events of ns/app are answered 503, since they could not be stored."}},
			},
			"now and then one is put off, and strangers are": {
				series: []string{answers("204", "stored", "0+60x60"), answers("503", "overloaded", "0+1x60"), answers("503", "wrong_signature", "0+60x60")},
				at:     []moment{{time.Hour, ""}},
			},
		},
		"ZoomOperatorEventsLate": {
			"Zoom sends again what was put off": {
				series: lag("zoom_operator_event_stored_lag_seconds", "0+10x60", "0+20x60", "0+20x60"),
				labels: `{namespace="system"}`, at: []moment{{10 * time.Minute, ""}, {time.Hour, "Every tenth event is stored more than 4m 36s after it happened."}},
			},
			"prompt":                  {series: lag("zoom_operator_event_stored_lag_seconds", "0+99x60", "0+100x60", "0+100x60"), at: []moment{{time.Hour, ""}}},
			"one late event of a few": {series: lag("zoom_operator_event_stored_lag_seconds", "0x30 2x30", "0x30 3x30", "0x30 3x30"), at: []moment{{40 * time.Minute, ""}}},
		},
		"ZoomOperatorStatusLate": {
			"the controllers are behind": {
				series: lag("zoom_operator_meeting_status_lag_seconds", "0+10x60", "0+20x60", "0+20x60"),
				labels: `{namespace="system"}`, at: []moment{{10 * time.Minute, ""}, {time.Hour, "Every tenth start or end of a meeting shows in its status more than 4m 36s after it happened."}},
			},
			"prompt": {series: lag("zoom_operator_meeting_status_lag_seconds", "0+20x60", "0+20x60", "0+20x60"), at: []moment{{time.Hour, ""}}},
		},
		"ZoomOperatorAppSilent": {
			"it talked for a week": {
				series: []string{answers("204", "stored", "0+1x10080 10080x3000"), consents + "5x13080"},
				labels: app, at: []moment{{7 * day, ""}, {7*day + 23*time.Hour, ""}, {8*day + 2*time.Hour, "ns/app has had no event for a day. A week ago there were 1.44k."}},
			},
			"it is suspended": {
				series: []string{
					answers("204", "stored", "0+1x10080 10080x3000"), consents + "5x13080",
					`zoom_operator_app_conditions{namespace="ns",app="app",condition="Ready",status="False",reason="Suspended"} 1x13080`,
				},
				at: []moment{{9 * day, ""}},
			},
			"it never talked":              {series: []string{answers("204", "stored", "3x13080"), consents + "5x13080"}, at: []moment{{9 * day, ""}}},
			"its last customer has left":   {series: []string{answers("204", "stored", "0+1x10080 10080x3000"), consents + "5x10080 0x3000"}, at: []moment{{9 * day, ""}}},
			"it talks as on any other day": {series: []string{answers("204", "stored", "0+1x13080"), consents + "5x13080"}, at: []moment{{9 * day, ""}}},
		},
		"ZoomOperatorRefreshesFailing": {
			"Zoom cannot be reached": {
				series: []string{conditions + `condition="TokenFresh",status="Unknown",reason="RefreshFailing"} 0x10 2x60`, conditions + `condition="TokenFresh",status="False",reason="ClientRejected"} 0x10 1x60`},
				labels: app, at: []moment{{30 * time.Minute, ""}, {45 * time.Minute, "The tokens of 3 customers of ns/app cannot be refreshed."}},
			},
			"all are fresh": {series: []string{conditions + `condition="TokenFresh",status="True",reason="Fresh"} 3x60`}, at: []moment{{time.Hour, ""}}},
			"one failed and was refreshed then": {
				series: []string{conditions + `condition="TokenFresh",status="Unknown",reason="RefreshFailing"} 1x20 0x40`}, at: []moment{{time.Hour, ""}},
			},
		},
		"ZoomOperatorConsentsEnding": {
			"a third goes": {
				series: []string{consents + "30x120 20x120"},
				labels: app, at: []moment{{2 * time.Hour, ""}, {2*time.Hour + 10*time.Minute, "ns/app has lost 10 consents within an hour, more than a tenth of all."}, {4 * time.Hour, ""}},
			},
			"another one leads meanwhile": {
				series: []string{
					`zoom_operator_installation_conditions{pod="a",namespace="ns",app="app",condition="Authorized",status="True",reason="Consented"} 30x120`,
					`zoom_operator_installation_conditions{pod="b",namespace="ns",app="app",condition="Authorized",status="True",reason="Consented"} _x125 30x100`,
				},
				at: []moment{{2*time.Hour + 5*time.Minute, ""}, {2*time.Hour + 15*time.Minute, ""}, {3 * time.Hour, ""}},
			},
			"two of five":       {series: []string{consents + "5x120 3x120"}, at: []moment{{2*time.Hour + 10*time.Minute, ""}}},
			"five of a hundred": {series: []string{consents + "100x120 95x120"}, at: []moment{{2*time.Hour + 10*time.Minute, ""}}},
			"new ones":          {series: []string{consents + "0x120 50x120"}, at: []moment{{2*time.Hour + 10*time.Minute, ""}}},
		},
		"ZoomOperatorCustomerCapped": {
			"one has as many as may be": {
				series: []string{conditions + `condition="MeetingsStored",status="False",reason="TooManyMeetings"} 1x60`},
				labels: app, at: []moment{{10 * time.Minute, ""}, {20 * time.Minute, "1 customers of ns/app have as many meetings as are kept, and new ones are not stored."}},
			},
			"nobody has": {series: []string{consents + "5x60"}, at: []moment{{time.Hour, ""}}},
		},
		"ZoomOperatorCertificateExpires": {
			"in a fortnight": {
				series: []string{fmt.Sprintf(`zoom_operator_tls_certificate_expiry_timestamp_seconds{namespace="system"} %dx3000`, begin.Add(15*day).Unix())},
				labels: `{namespace="system"}`, at: []moment{{day, ""}, {day + 2*time.Hour, "The certificate of the public listener expires in 13d 22h 0m 0s."}},
			},
			"an ingress has it": {at: []moment{{day, ""}}},
		},
	}
	for alert, rule := range rules(t) {
		fires, quiet := 0, 0
		for name, tc := range all[alert] {
			t.Run(alert+"/"+name, func(t *testing.T) {
				data := parse(t, tc.series...)
				for _, m := range tc.at {
					want := map[string]string{}
					if m.summary == "" {
						quiet++
					} else {
						fires++
						want[tc.labels] = m.summary
					}
					if got := firing(t, data, rule, begin.Add(m.after)); !maps.Equal(got, want) {
						t.Errorf("after %s, %v fire, want %v", m.after, got, want)
					}
				}
			})
		}
		if fires == 0 || quiet == 0 {
			t.Errorf("%s is shown to fire %d times, and not to %d times", alert, fires, quiet)
		}
	}
	for alert := range all {
		if _, ok := rules(t)[alert]; !ok {
			t.Errorf("there is no alert %s", alert)
		}
	}
}

// An alert pages an admin, who needs to know what to do.
func TestAlertsHaveARunbook(t *testing.T) {
	page := read(t, "../../docs/alerts.md")
	var sections []string
	for line := range strings.Lines(page) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## ZoomOperator"); ok {
			sections = append(sections, "ZoomOperator"+name)
		}
	}
	all := rules(t)
	for name, rule := range all {
		_, section, ok := strings.Cut(page, "\n## "+name+"\n")
		if !ok {
			t.Errorf("docs/alerts.md has no section on %s", name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, part := range []string{"**What it means.**", "**Check.**", "**Do.**"} {
			if !strings.Contains(section, part) {
				t.Errorf("the section on %s does not say %s", name, part)
			}
		}
		if want := "https://github.com/zoom-operator/zoom-operator/blob/main/docs/alerts.md#" + strings.ToLower(name); rule.Annotations["runbook_url"] != want {
			t.Errorf("the runbook of %s is %s, want %s", name, rule.Annotations["runbook_url"], want)
		}
		if s := rule.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("the severity of %s is %q", name, s)
		}
	}
	for _, s := range sections {
		if _, ok := all[s]; !ok {
			t.Errorf("docs/alerts.md has a section on %s, which is no alert", s)
		}
	}
}
