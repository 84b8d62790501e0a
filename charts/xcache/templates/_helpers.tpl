{{/* Labels of every object of this chart. */}}
{{- define "xcache.labels" -}}
app.kubernetes.io/name: xcache
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the pod of `helm test`. */}}
{{- define "xcache.testSelector" -}}
app.kubernetes.io/component: xcache-test
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "xcache.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
