{{- /* The name of every object. A CronJob's may have 52 characters, a Job's 63: with the longest suffix. */}}
{{- define "ipi-es.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-ipi-es" .Release.Name) (contains "ipi-es" .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- /* What selectors use: never changes. The name is also Prometheus' job (jobLabel), which the alerts name. */}}
{{- define "ipi-es.selectorLabels" -}}
app.kubernetes.io/name: ipi-es
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ipi-es.labels" -}}
{{ include "ipi-es.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ipi-es.image" -}}
{{- $repository := required "image.repository: name the image that you built and pushed, such as registry.example.org/ipi-es" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ if eq .Values.image.variant "scorer" }}-scorer{{ end }}
{{- end -}}
{{- end }}

{{- define "ipi-es.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "ipi-es.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- /* The data of the ConfigMap: a job that came as a text (--set-file) stays as it is. */}}
{{- define "ipi-es.files" -}}
ipi-es.yml: |
  {{- toYaml .Values.config | nindent 2 }}
{{- if not .Values.jobs }}{{ fail "jobs: name at least one, such as --set-file jobs.sign-ins=jobs/sign-ins.yml" }}{{ end }}
{{- range $name, $job := .Values.jobs }}
jobs.{{ $name }}.yml: |
  {{- kindIs "string" $job | ternary $job (toYaml $job) | toString | trimSuffix "\n" | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The specification of a pod of ipi-es. dict "root" $ "args" "secret" "configMap" "resources" "tmp"; further keys:
       "container" is put into the container, "grace" are seconds, "restart" is a policy, "account" a service account. */}}
{{- define "ipi-es.pod" -}}
{{- $values := .root.Values -}}
automountServiceAccountToken: false
{{- with .account }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
{{- with .grace }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with $values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: ipi-es
    image: {{ include "ipi-es.image" .root }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: {{- toYaml .args | nindent 6 }}
    {{- with $values.extraEnv }}
    env: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .container }}
    {{- . | nindent 4 }}
    {{- end }}
    resources: {{- toYaml .resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: config, mountPath: /etc/ipi-es, readOnly: true}
      - {name: secrets, mountPath: /run/secrets/ipi-es, readOnly: true}
      {{- if $values.jobsSecret }}
      - {name: job-secrets, mountPath: /run/secrets/ipi-es-jobs, readOnly: true}
      {{- end }}
      - {name: tmp, mountPath: /tmp}
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ .configMap }}
      items:
        - {key: ipi-es.yml, path: ipi-es.yml}
        {{- range $name, $_ := $values.jobs }}
        - {key: jobs.{{ $name }}.yml, path: jobs/{{ $name }}.yml}
        {{- end }}
  - name: secrets
    secret: {secretName: {{ .secret }}, defaultMode: 0440}
  {{- with $values.jobsSecret }}
  - name: job-secrets
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: {{ .tmp }}}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* One rule of egress: dict "to" "ports"; without `to` to anywhere. */}}
{{- define "ipi-es.egress" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
