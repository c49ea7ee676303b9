{{/*
Environment of Medusa. run.sh adds what is secret. The image's working directory is /app: the built server with its
node_modules.
*/}}
{{- define "medusa.env" -}}
- name: NODE_ENV
  value: production
- name: PORT
  value: "9000"
- name: HOME
  value: /tmp
- name: MEDUSA_DISABLE_TELEMETRY
  value: "true"
{{- with .Values.url }}
- name: MEDUSA_BACKEND_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.medusa.cors }}
- name: STORE_CORS
  value: {{ . | quote }}
- name: ADMIN_CORS
  value: {{ . | quote }}
- name: AUTH_CORS
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "medusa.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: files
  mountPath: /etc/store
  readOnly: true
- name: credentials
  mountPath: /secrets/credentials
  readOnly: true
{{- end }}

{{- define "medusa.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 512Mi
- name: files
  configMap:
    name: files
    defaultMode: 292 # 0444
- name: credentials
  secret:
    secretName: credentials
    defaultMode: 288 # 0440: the group is fsGroup
    items:
      - key: database-user
        path: database-user
      - key: database-password
        path: database-password
      - key: jwt-secret
        path: jwt-secret
      - key: cookie-secret
        path: cookie-secret
      {{- if .Values.medusa.cache }}
      - key: cache-password
        path: cache-password
      {{- end }}
{{- end }}

{{/* A container that speaks with the database through setup.sh. Takes the root, a name, a verb, and the Job to wait for, if any. */}}
{{- define "medusa.setup" -}}
- name: {{ .name }}
  image: {{ .root.Values.images.database }}
  command: [/bin/sh, /etc/store/setup.sh, {{ .verb }}]
  env:
    - name: SETUP
      {{- if .job }}
      value: {{ .job }}
      {{- else }}
      valueFrom:
        fieldRef:
          apiVersion: v1
          fieldPath: metadata.labels['batch.kubernetes.io/job-name']
      {{- end }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {cpu: 100m, memory: 64Mi}
  {{- include "store.container" . | nindent 2 }}
  volumeMounts:
    {{- include "medusa.mounts" .root | nindent 4 }}
{{- end }}

{{/*
A Deployment of Medusa. Takes the root, a component, its worker mode, and whether it serves the admin pages and the shop's visitors.
*/}}
{{- define "medusa.deployment" -}}
{{- $values := index .root.Values.components .component }}
{{- $labels := include "store.labels" . }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  revisionHistoryLimit: 3
  {{- include "store.strategy" $values | nindent 2 }}
  selector:
    matchLabels:
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
      annotations:
        {{- include "store.checksum" .root | nindent 8 }}
        {{- include "store.rotation" .root | nindent 8 }}
    spec:
      {{- include "store.pod" (dict "uid" 1000) | nindent 6 }}
      terminationGracePeriodSeconds: 60
      {{- include "store.beside" (dict "component" "server") | nindent 6 }}
      initContainers:
        {{- include "medusa.setup" (dict "root" .root "name" "migrations" "verb" "wait-for-setup" "job" (include "medusa.migrate.name" .root)) | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ .root.Values.images.server }}
          workingDir: /app
          command: [/bin/sh, /etc/store/run.sh, medusa, start]
          env:
            {{- include "medusa.env" .root | nindent 12 }}
            - name: MEDUSA_WORKER_MODE
              value: {{ .mode }}
            {{- if not .visitors }}
            - name: DISABLE_MEDUSA_ADMIN
              value: "true"
            {{- end }}
          ports:
            - name: http
              containerPort: 9000
              protocol: TCP
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          {{- include "store.container" . | nindent 10 }}
          startupProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 60
          readinessProbe:
            {{- if .visitors }}
            exec:
              command: [node, /etc/store/ready.js]
            {{- else }}
            httpGet:
              path: /health
              port: http
            {{- end }}
            periodSeconds: 10
            timeoutSeconds: 5
          livenessProbe: # constant, without the database: its outage must not restart Medusa
            httpGet:
              path: /health
              port: http
            periodSeconds: 20
            timeoutSeconds: 5
          lifecycle:
            preStop: # the ingress controller needs a moment to stop sending
              exec:
                command: [sleep, "5"]
          volumeMounts:
            {{- include "medusa.mounts" .root | nindent 12 }}
            - name: content
              mountPath: /app/static # where Medusa's local file provider keeps uploads
      volumes:
        {{- include "medusa.volumes" .root | nindent 8 }}
        - name: content
          persistentVolumeClaim:
            claimName: content
{{- end }}
