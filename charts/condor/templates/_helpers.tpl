{{/* Labels of every object of this chart. */}}
{{- define "condor.labels" -}}
{{ include "condor.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the central manager's pod. */}}
{{- define "condor.selector" -}}
app.kubernetes.io/name: condor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: cm
{{- end }}

{{/* Pods of a component in a namespace; the argument is a list of both. */}}
{{- define "condor.peer" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ index . 0 }}
podSelector:
  matchLabels:
    app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* What all containers have alike. The last variable is read by libscitokens (facility/keycache/settings.py). */}}
{{- define "condor.container" -}}
image: {{ .Values.global.images.condor | quote }}
imagePullPolicy: {{ .Values.global.images.pullPolicy }}
env:
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  - name: CONDOR_CONFIG
    value: /etc/facility/condor/condor_config
  - name: SSL_CERT_FILE
    value: /etc/facility/trust/ca.crt
  - name: SCITOKEN_CONFIG_KEYCACHE_UPDATE_INTERVAL_S
    value: "345600"
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Labels of the objects of `helm test`, and those that select its pod. */}}
{{- define "condor.testLabels" -}}
{{ include "condor.testSelector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "condor.testSelector" -}}
app.kubernetes.io/name: condor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: condor-test
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "condor.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
