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

{{/* What of the values the hub itself reads, as facility/hub/values.py has it. */}}
{{- define "hub.values" -}}
{{- $hub := pick .Values.hub "config" "extraConfig" "allowNamedServers" "namedServerLimitPerUser" "concurrentSpawnLimit" "activeServerLimit" "consecutiveFailureLimit" "redirectToServer" "shutdownOnLogout" "authenticatePrometheus" "templateVars" "loadRoles" -}}
{{- $_ := set $hub "db" (pick .Values.hub.db "type" "url") -}}
{{- toYaml (dict "hub" $hub "singleuser" .Values.singleuser "cull" .Values.cull "scheduling" (pick .Values.scheduling "userPods")) }}
{{- end }}

{{/* Where hub and proxy run; the argument is a list of the root and of what has nodeSelector and tolerations. */}}
{{- define "hub.placement" -}}
{{- $core := (index . 0).Values.scheduling.corePods }}
{{- $own := index . 1 }}
{{- with $own.nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end }}
{{- with concat $core.tolerations $own.tolerations -}}
tolerations:
  {{- toYaml . | nindent 2 }}
{{ end }}
{{- $purpose := dict "matchExpressions" (list (dict "key" "hub.jupyter.org/node-purpose" "operator" "In" "values" (list "core"))) }}
{{- if eq $core.nodeAffinity.matchNodePurpose "prefer" -}}
affinity:
  nodeAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          {{- toYaml $purpose | nindent 10 }}
{{- else if eq $core.nodeAffinity.matchNodePurpose "require" -}}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - {{- toYaml $purpose | nindent 10 }}
{{- end }}
{{- end }}
