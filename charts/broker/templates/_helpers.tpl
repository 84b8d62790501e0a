{{/* Labels that say of which release and chart an object is. */}}
{{- define "broker.release" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of every object of this chart. */}}
{{- define "broker.labels" -}}
{{ include "broker.selector" . }}
{{ include "broker.release" . }}
{{- end }}

{{/* Labels that select the broker's pod. */}}
{{- define "broker.selector" -}}
app.kubernetes.io/name: broker
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: broker
{{- end }}

{{/* Pods of a component in a namespace; the argument is a list of both. */}}
{{- define "broker.peer" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ index . 0 }}
podSelector:
  matchLabels:
    app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of the objects of `helm test`, and those that select its pod. */}}
{{- define "broker.testLabels" -}}
{{ include "broker.testSelector" . }}
{{ include "broker.release" . }}
{{- end }}
{{- define "broker.testSelector" -}}
app.kubernetes.io/name: broker
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: broker-test
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "broker.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Labels of what ends the brokers before an uninstall, and those that select its pod. */}}
{{- define "broker.endingLabels" -}}
{{ include "broker.endingSelector" . }}
{{ include "broker.release" . }}
{{- end }}
{{- define "broker.endingSelector" -}}
app.kubernetes.io/name: broker
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: broker-ending
{{- end }}

{{/* Its objects live no longer than it does; the argument is their turn. */}}
{{- define "broker.endingHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
