{{- define "atalaia.name" -}}
{{- printf "%s-%s" .root.Release.Name .service | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "atalaia.selector" -}}
app.kubernetes.io/name: atalaia
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "atalaia.labels" -}}
{{ include "atalaia.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "atalaia.secret" -}}
{{- if .Values.existingSecret -}}
{{ .Values.existingSecret }}
{{- else -}}
{{ printf "%s-urls" .Release.Name }}
{{- end -}}
{{- end -}}

{{/* Of the Secret, only what the service needs. */}}
{{- define "atalaia.settingsVolume" -}}
- name: settings
  secret:
    secretName: {{ include "atalaia.secret" .root }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{- define "atalaia.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* One container of a service: image, rights, probes, resources; its environment is the caller's. */}}
{{- define "atalaia.container" -}}
name: {{ .service }}
image: {{ printf "%s-%s:%s" .root.Values.image.repository .service (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
ports:
  - {name: health, containerPort: 8081}
  {{- if eq .service "api" }}
  - {name: http, containerPort: 8000}
  {{- end }}
startupProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
resources: {{- toYaml (index .root.Values .service "resources") | nindent 2 }}
{{- end -}}

{{- define "atalaia.environment" -}}
- {name: ATALAIA_SETTINGS_DIR, value: /run/atalaia}
- {name: ATALAIA_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
{{- end -}}

{{- define "atalaia.mounts" -}}
- {name: settings, mountPath: /run/atalaia, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}
