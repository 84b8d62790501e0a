{{/* Labels of every object of this chart; takes (list $ component). */}}
{{- define "demo.labels" -}}
{{- $ := index . 0 -}}
{{ include "demo.selector" . }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the pods of a component; takes (list $ component). */}}
{{- define "demo.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: demo
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Issuer of a VO as it stands in its tokens; takes (list $ name). */}}
{{- define "demo.issuer" -}}
{{- $ := index . 0 -}}
{{- $name := index . 1 -}}
https://iam-{{ $name }}.{{ $.Release.Namespace }}.svc:{{ (index $.Values.issuers $name).port }}/
{{- end }}

{{/* issuer.yaml of a VO's issuer, as facility/dev/issuer/settings.py reads it; takes (list $ name). */}}
{{- define "demo.settings" -}}
{{- $ := index . 0 -}}
{{- $vo := index $.Values.issuers (index . 1) -}}
issuer: {{ include "demo.issuer" . }}
organisation: {{ $vo.title | quote }}
lifetimes:
  access_token: {{ $.Values.issuer.accessTokenLifetime }}
publish_ahead: {{ $.Values.issuer.publishAhead }}
system_scopes: {{ $.Values.issuer.systemScopes | toJson }}
group_scopes: {{ $vo.groupScopes | default dict | toJson }}
{{- end }}

{{/* URL of the origin, which is also the audience that opens it. */}}
{{- define "demo.origin" -}}
https://origin.{{ .Release.Namespace }}.svc:1094
{{- end }}

{{/* lake.yaml, as facility/dev/lake/prepare.py reads it. */}}
{{- define "demo.lake" -}}
audience: {{ include "demo.origin" . }}
issuers:
{{- range $name := keys .Values.issuers | sortAlpha }}
  {{ $name }}: {{ include "demo.issuer" (list $ $name) }}
{{- end }}
{{- end }}

{{/* Security context of every pod: Pod Security "restricted". */}}
{{- define "demo.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Security context of every container. */}}
{{- define "demo.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "demo.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* What both containers of `helm test` have alike. */}}
{{- define "demo.testContainer" -}}
image: {{ .Values.images.demo | quote }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
env:
  - name: SSL_CERT_FILE
    value: /etc/facility/trust/ca.crt
resources:
  {{- toYaml .Values.test.resources | nindent 2 }}
securityContext:
  {{- include "demo.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: trust
    mountPath: /etc/facility/trust
    readOnly: true
{{- end }}
