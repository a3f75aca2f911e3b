package main

import (
	"encoding/json"
	"fmt"
)

// panel is a graph of the dashboard, or a number.
type panel struct {
	title, text string
	kind        string // timeseries, stat or table of Grafana
	unit        string // of Grafana: short, s, percentunit, reqps, dateTimeFromNow, …; empty where the values say nothing
	queries     []panelQuery
}

// panelQuery is a query, and what its series are called.
type panelQuery struct{ expr, legend string }

// ofApps selects the apps that are chosen at the top of the dashboard.
const ofApps = `namespace=~"$namespace", app=~"$app"`

// row is a group of panels under a heading.
type row struct {
	title  string
	panels []panel
}

// rows are the dashboard. Each row holds what one question needs, the first the one that is asked
// first: does it work?
var rows = []row{
	{"Does it work?", []panel{
		{"Controllers run", "One process runs the controllers.", "stat", "short", []panelQuery{{`sum(zoom_operator_controllers_running)`, "leaders"}}},
		{"Consents that stand", "", "stat", "short", []panelQuery{{`sum(zoom_operator_installation_conditions{condition="Authorized", status="True", ` + ofApps + `})`, "consents"}}},
		{"Live meetings", "", "stat", "short", []panelQuery{{`sum(zoom_operator_meetings{state="Live", ` + ofApps + `})`, "live"}}},
		{"Last event", "Of each app; a validation by Zoom counts.", "stat", "dateTimeFromNow", []panelQuery{{`max by (namespace, app) (zoom_operator_app_last_event_timestamp_seconds{` + ofApps + `}) * 1000`, "{{namespace}}/{{app}}"}}},
		{"Last validation by Zoom", "Every 72 hours.", "stat", "dateTimeFromNow", []panelQuery{{`max by (namespace, app) (zoom_operator_app_endpoint_validated_timestamp_seconds{` + ofApps + `}) * 1000`, "{{namespace}}/{{app}}"}}},
		{"Conditions of apps", "docs/conditions.md says what each reason means and what to do.", "table", "", []panelQuery{{`max by (namespace, app, condition, status, reason) (zoom_operator_app_conditions{` + ofApps + `})`, ""}}},
	}},
	{"Events", []panel{
		{"Webhooks by answer", "204 is stored, or of no effect; 503 is sent again by Zoom.", "timeseries", "reqps", []panelQuery{{`sum by (code) (rate(zoom_operator_webhooks_total{` + ofApps + `}[$__rate_interval]))`, "{{code}}"}}},
		{"Webhooks by event", "", "timeseries", "reqps", []panelQuery{{`sum by (event) (rate(zoom_operator_webhooks_total{event!="", ` + ofApps + `}[$__rate_interval]))`, "{{event}}"}}},
		{"Not stored, by reason", "docs/metrics.md says what each reason means.", "timeseries", "reqps", []panelQuery{{`sum by (reason) (rate(zoom_operator_webhooks_total{reason!~"stored|challenge"}[$__rate_interval])) or on() label_replace(vector(0), "reason", "none", "", "")`, "{{reason}}"}}},
		{"Time to answer", "Zoom gives up after 3 seconds.", "timeseries", "s", quantiles("zoom_operator_webhook_duration_seconds")},
		{"Lag until stored", "5, 25 and 85 minutes are events that Zoom has sent again.", "timeseries", "s", quantiles("zoom_operator_event_stored_lag_seconds")},
		{"Lag until the status says so", "", "timeseries", "s", quantiles("zoom_operator_meeting_status_lag_seconds")},
		{"Fields that were left out", "An odd field costs that field, never the event.", "timeseries", "ops", []panelQuery{{`sum by (event, field) (rate(zoom_operator_ignored_fields_total[$__rate_interval])) or on() label_replace(vector(0), "event", "none", "", "")`, "{{event}} {{field}}"}}},
	}},
	{"Writes", []panel{
		{"Time of a write", "", "timeseries", "s", []panelQuery{{`histogram_quantile(0.99, sum by (kind, le) (rate(zoom_operator_commit_duration_seconds_bucket[$__rate_interval])))`, "99 % {{kind}}"}}},
		{"Changes in a write", "The mean. What arrives for an object while it is written goes into the next write together.", "timeseries", "short", []panelQuery{{`sum by (kind) (rate(zoom_operator_commit_changes_sum[$__rate_interval])) / sum by (kind) (rate(zoom_operator_commit_changes_count[$__rate_interval]))`, "{{kind}}"}}},
		{"Changes that wait", "At 3072 the last ones are answered 503.", "timeseries", "short", []panelQuery{{`sum by (kind) (zoom_operator_commit_unanswered_changes)`, "{{kind}}"}}},
	}},
	{"Customers", []panel{
		{"Installations by reason", "Of their condition Ready.", "timeseries", "short", []panelQuery{{`sum by (reason) (zoom_operator_installation_conditions{condition="Ready", ` + ofApps + `})`, "{{reason}}"}}},
		{"Refreshes of tokens", "", "timeseries", "ops", []panelQuery{{`sum by (outcome) (rate(zoom_operator_token_refreshes_total{` + ofApps + `}[$__rate_interval]))`, "{{outcome}}"}}},
		{"Pages of consent", "What the pages said to customers.", "timeseries", "reqps", []panelQuery{{`sum by (page, reason) (rate(zoom_operator_consent_pages_total{` + ofApps + `}[$__rate_interval]))`, "{{page}} {{reason}}"}}},
		{"Meetings by state", "", "timeseries", "short", []panelQuery{{`sum by (state) (zoom_operator_meetings{` + ofApps + `})`, "{{state}}"}}},
		{"Meetings deleted", "", "timeseries", "ops", []panelQuery{{`sum by (reason) (rate(zoom_operator_meetings_deleted_total[$__rate_interval]))`, "{{reason}}"}}},
		{"Calls to Zoom", "What is asked for besides tokens, by what came of it. not_found is also the answer for an instance that is being held.", "timeseries", "ops", []panelQuery{{`sum by (class) (rate(zoom_operator_zoom_calls_total[$__rate_interval]))`, "{{class}}"}}},
	}},
	{"Processes", []panel{
		{"Connections", "To the public listener.", "timeseries", "short", []panelQuery{{`sum by (pod, instance) (zoom_operator_public_connections)`, "{{pod}} {{instance}}"}}},
		{"Work queues", "", "timeseries", "short", []panelQuery{{`sum by (name) (workqueue_depth{name=~"zoom.*"})`, "{{name}}"}}},
		{"Failed reconciliations", "", "timeseries", "ops", []panelQuery{{`sum by (controller) (rate(controller_runtime_reconcile_errors_total{controller=~"zoom.*"}[$__rate_interval]))`, "{{controller}}"}}},
		{"Requests to the API server", "", "timeseries", "reqps", []panelQuery{{`sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]) and on (instance) zoom_operator_build_info)`, "{{method}} {{code}}"}}},
		{"CPU", "", "timeseries", "percentunit", []panelQuery{{`rate(process_cpu_seconds_total[$__rate_interval]) and on (instance) zoom_operator_build_info`, "{{pod}} {{instance}}"}}},
		{"Memory", "", "timeseries", "bytes", []panelQuery{{`process_resident_memory_bytes and on (instance) zoom_operator_build_info`, "{{pod}} {{instance}}"}}},
		{"Versions", "", "table", "short", []panelQuery{{`count by (version, goversion) (zoom_operator_build_info)`, ""}}},
	}},
}

func quantiles(histogram string) []panelQuery {
	var all []panelQuery
	for _, q := range []string{"0.5", "0.9", "0.99"} {
		all = append(all, panelQuery{fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket[$__rate_interval])))", q, histogram), "quantile " + q})
	}
	return all
}

// dashboard is the JSON that Grafana imports.
func dashboard() ([]byte, error) {
	const columns, third, height = 24, 8, 7
	var panels []map[string]any
	y := 0
	for _, r := range rows {
		panels = append(panels, map[string]any{
			"id": len(panels) + 1, "type": "row", "title": r.title, "collapsed": false, "panels": []any{},
			"gridPos": map[string]int{"x": 0, "y": y, "w": columns, "h": 1},
		})
		y++
		for i, p := range r.panels {
			position := map[string]int{"x": i % (columns / third) * third, "y": y + i/(columns/third)*height, "w": third, "h": height}
			panels = append(panels, p.json(len(panels)+1, position))
		}
		y += (len(r.panels) + columns/third - 1) / (columns / third) * height
	}
	board := map[string]any{
		"uid": "zoom-operator", "title": "Zoom operator", "tags": []string{"zoom"}, "schemaVersion": 41, "editable": true,
		"refresh": "30s", "time": map[string]string{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
			choice("namespace", `label_values(zoom_operator_app_conditions, namespace)`),
			choice("app", `label_values(zoom_operator_app_conditions{namespace=~"$namespace"}, app)`),
		}},
	}
	out, err := json.MarshalIndent(board, "", "  ")
	return append(out, '\n'), err
}

// prometheusSource is the Prometheus that is chosen at the top.
var prometheusSource = map[string]string{"type": "prometheus", "uid": "${datasource}"}

// choice is a variable at the top of the dashboard, of which all values are chosen at first.
func choice(name, query string) map[string]any {
	return map[string]any{
		"name": name, "type": "query", "datasource": prometheusSource, "query": query, "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
		"current": map[string]any{"text": "All", "value": "$__all"},
	}
}

func (p panel) json(id int, position map[string]int) map[string]any {
	var targets []map[string]any
	for i, q := range p.queries {
		target := map[string]any{"refId": string(rune('A' + i)), "datasource": prometheusSource, "expr": q.expr, "legendFormat": q.legend}
		if p.kind != "timeseries" {
			target["instant"] = true
		}
		if p.kind == "table" {
			target["format"] = "table"
		}
		targets = append(targets, target)
	}
	out := map[string]any{
		"id": id, "type": p.kind, "title": p.title, "description": p.text, "datasource": prometheusSource, "gridPos": position, "targets": targets,
		"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit, "min": 0}, "overrides": []any{}},
	}
	if p.kind == "table" {
		left := map[string]any{"Time": true, "Value": p.unit == ""}
		out["transformations"] = []any{map[string]any{"id": "organize", "options": map[string]any{
			"excludeByName": left, "renameByName": map[string]any{"Value": "processes"},
		}}}
	}
	return out
}
