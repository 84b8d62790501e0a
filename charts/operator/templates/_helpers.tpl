{{/* Labels of every object of this chart. */}}
{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the operator's pod. */}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* The site's settings as facility/site.py reads them. */}}
{{- define "operator.site" -}}
{{- $shared := dict "namespaces" .Values.global.namespaces "images" .Values.global.images -}}
{{- mustMergeOverwrite (deepCopy .Values.site) $shared | toYaml -}}
{{- end }}

{{/* The release has to be in the namespace that everything else takes for the facility's. */}}
{{- define "operator.checkNamespace" -}}
{{- if ne .Release.Namespace .Values.global.namespaces.facility -}}
{{- fail (printf "install this release into the namespace %s (helm --namespace), or set global.namespaces.facility to %s" .Values.global.namespaces.facility .Release.Namespace) -}}
{{- end -}}
{{- end }}

{{/* Pods without AppArmor are refused in a namespace of the level baseline, which is the one that this chart makes. */}}
{{- define "operator.checkAppArmor" -}}
{{- if and .Values.createNamespaces (eq (dig "batch" "apparmorProfile" "" .Values.site) "Unconfined") -}}
{{- fail "site.batch.apparmorProfile Unconfined is refused in the namespace for batch that this chart makes (Pod Security level baseline): load a profile on the nodes and name it, Localhost/<name>" -}}
{{- end -}}
{{- end }}

{{/* Labels of the objects of `helm test`, and those that select its pod. */}}
{{- define "operator.testLabels" -}}
{{ include "operator.testSelector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: analysis-facility
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "operator.testSelector" -}}
app.kubernetes.io/name: operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator-test
{{- end }}

{{/* The objects of `helm test` live no longer than the test. */}}
{{- define "operator.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
