{{- /* What every object carries. */ -}}
{{- define "labels" -}}
app.kubernetes.io/name: zoom-operator
app.kubernetes.io/part-of: zoom-operator
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "host" -}}
{{ (urlParse .Values.externalURL).hostname }}
{{- end }}

{{- /* The schema cannot compare values. */ -}}
{{- define "check" -}}
{{- if not .Values.externalURL }}
{{- fail "externalURL is not set: --set externalURL=https://zoom.your.org (the address that Zoom and browsers reach)" }}
{{- end }}
{{- if and .Values.watchNamespaces .Values.namespaceSelector }}
{{- fail "watchNamespaces and namespaceSelector do not go together: an operator of a few namespaces may not read the labels of any" }}
{{- end }}
{{- if has .Release.Namespace .Values.watchNamespaces }}
{{- fail (printf "watchNamespaces holds %s, where the operator itself runs: whoever may run Pods there acts as the operator" .Release.Namespace) }}
{{- end }}
{{- if and .Values.ingress.certManager.issuer .Values.ingress.certManager.clusterIssuer }}
{{- fail "ingress.certManager names an issuer and a clusterIssuer: name one" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that Zoom and browsers come through" }}
{{- end }}
{{- end }}

{{- /* The flags of both Deployments; the list is of the flags that only one has. */ -}}
{{- define "args" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- $extra := index . 2 -}}
- --external-url={{ $root.Values.externalURL }}
{{- range $own }}
- {{ . }}
{{- end }}
{{- with $root.Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with $root.Values.namespaceSelector }}
- {{ printf "--namespace-selector=%s" . | quote }}
{{- end }}
{{- with $root.Values.tracing }}
{{- if .endpoint }}
- --otlp-endpoint={{ .endpoint }}
{{- if ne (float64 .samplingRatio) 1.0 }}
- --trace-sampling-ratio={{ .samplingRatio }}
{{- end }}
{{- end }}
{{- end }}
{{- range $extra }}
- {{ quote . }}
{{- end }}
{{- end }}

{{- /* A Deployment's Pods: what the half called name adds to them is in a dict. */ -}}
{{- define "pod" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $values := .values -}}
metadata:
  labels:
    app.kubernetes.io/name: zoom-operator
    app.kubernetes.io/component: {{ $name }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ $name }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: zoom-operator-{{ $name }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: zoom-operator
          app.kubernetes.io/component: {{ $name }}
    {{- end }}
    {{- end }}
  containers:
    - name: {{ $name }}
      {{- with $root.Values.image }}
      image: {{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $root.Chart.AppVersion }}{{ end }}
      imagePullPolicy: {{ .pullPolicy }}
      {{- end }}
      args:
        {{- include "args" (list $root .args $values.extraArgs) | nindent 8 }}
      env:
        - name: GOMEMLIMIT
          value: {{ $values.goMemLimit }}
        {{- with $root.Values.tracing.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- if eq $name "receiver" }}
        - name: webhooks
          containerPort: 8080
        {{- end }}
        - name: health
          containerPort: 8081
        - name: metrics
          containerPort: 8443
      {{- if eq $name "receiver" }}
      # Until every node knows that this replica is going, requests still arrive.
      lifecycle:
        preStop:
          sleep:
            seconds: 5
      {{- end }}
      livenessProbe:
        httpGet:
          path: /healthz
          port: health
        initialDelaySeconds: 15
        periodSeconds: 20
      readinessProbe:
        httpGet:
          path: /readyz
          port: health
        periodSeconds: 5
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
{{- end }}
