{{/* Labels of an object. Takes the root and a component. */}}
{{- define "store.labels" -}}
{{ toYaml .root.Values.labels }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Hardening of a pod. Takes the uid of its processes, which is also the group of its volumes. */}}
{{- define "store.pod" -}}
serviceAccountName: store
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Hardening of a container. */}}
{{- define "store.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/*
Puts a pod on the node of a component. Their volume can be attached to one node only, so that elsewhere the pod would wait
for ever. Takes the component.
*/}}
{{- define "store.beside" -}}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector:
          matchLabels:
            app.kubernetes.io/component: {{ .component }}
        topologyKey: kubernetes.io/hostname
{{- end }}

{{/* How a Deployment changes its pods: by an extra one where the plan has room for it. Takes the component's values. */}}
{{- define "store.strategy" -}}
strategy:
  {{- if gt (int .surge) 0 }}
  type: RollingUpdate
  rollingUpdate:
    maxSurge: {{ .surge }}
    maxUnavailable: 0
  {{- else }}
  type: Recreate
  {{- end }}
{{- end }}

{{/*
A volume claim. Takes the root, a component, a name and a size. Helm leaves it when the release goes: what becomes of data is
decided by storeplatform, with the namespace.
*/}}
{{- define "store.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with .root.Values.storage.class }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .size }}
{{- end }}

{{/* A Service inside the cluster. Takes the root, a component, a name, a port and the name of the pods' port. */}}
{{- define "store.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/component: {{ .component }}
  ports:
    - name: {{ .target }}
      port: {{ .port }}
      targetPort: {{ .target }}
      protocol: TCP
{{- end }}

{{/* The engine's scripts and configuration, as they stand in files/. Takes the root and a component. */}}
{{- define "store.files" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: files
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
data:
  {{- (.root.Files.Glob (printf "files/%s/*" .root.Values.engine)).AsConfig | nindent 2 }}
  {{- (.root.Files.Glob "files/data/*").AsConfig | nindent 2 }}
{{- end }}

{{/*
Changes with the engine's files. On a pod template it makes new pods, which mounts of single files need. What Jobs for data alone
read is left out.
*/}}
{{- define "store.checksum" -}}
{{- $used := dict }}
{{- range $path, $content := .Files.Glob (printf "files/%s/*" .Values.engine) }}
{{- if ne (base $path) "database.sh" }}
{{- $_ := set $used (base $path) (toString $content) }}
{{- end }}
{{- end -}}
storeplatform.io/files: {{ toYaml $used | sha256sum | trunc 16 | quote }}
{{- end }}

{{/*
Changes with the passwords. On the template of all that connects to the database it makes new pods, which read them, and tells
which pods have.
*/}}
{{- define "store.rotation" -}}
{{- with .Values.rotation }}storeplatform.io/rotation: {{ . | quote }}{{ end }}
{{- end }}
