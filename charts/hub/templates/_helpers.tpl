{{/* Labels of every object of this chart; the argument is a list of the root and the component. */}}
{{- define "hub.labels" -}}
{{ include "hub.selector" . }}
{{- with index . 0 }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- end }}

{{/* Labels that select a component's pods. */}}
{{- define "hub.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Security contexts by Pod Security Standards, level restricted. */}}
{{- define "hub.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "hub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Peers and ways in network policies. */}}
{{- define "hub.users" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ .Values.global.namespaces.users }}
podSelector:
  matchLabels:
    app.kubernetes.io/component: notebook
{{- end }}
{{- define "hub.dns" -}}
- to:
    - namespaceSelector: {}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "hub.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
