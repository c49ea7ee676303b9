{{/* Environment of everything that runs WordPress code. Secrets come as files, and wp-config-docker.php reads them. */}}
{{- define "woocommerce.env" -}}
- name: WORDPRESS_DB_HOST
  value: database
- name: WORDPRESS_DB_NAME
  value: wordpress
- name: WORDPRESS_DB_USER_FILE
  value: /secrets/credentials/database-user
- name: WORDPRESS_DB_PASSWORD_FILE
  value: /secrets/credentials/database-password
{{- range include "woocommerce.keys" . | fromYamlArray }}
- name: WORDPRESS_{{ . | upper | replace "-" "_" }}_FILE
  value: /secrets/credentials/{{ . }}
{{- end }}
- name: WORDPRESS_CONFIG_EXTRA_FILE
  value: /etc/store/wp-config-extra
{{- with .Values.url }}
- name: SHOP_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The keys and salts of WordPress, as keys of the Secret "credentials". */}}
{{- define "woocommerce.keys" -}}
[auth-key, secure-auth-key, logged-in-key, nonce-key, auth-salt, secure-auth-salt, logged-in-salt, nonce-salt]
{{- end }}

{{- define "woocommerce.mounts" -}}
- name: core
  mountPath: /var/www/html
- name: content
  mountPath: /var/www/html/wp-content
- name: tmp
  mountPath: /tmp
- name: files
  mountPath: /etc/store
  readOnly: true
- name: files
  mountPath: /usr/local/etc/php/conf.d/zz-store.ini
  subPath: php.ini
  readOnly: true
- name: credentials
  mountPath: /secrets/credentials
  readOnly: true
{{- if .Values.woocommerce.smtp }}
- name: plugins
  mountPath: /etc/store-plugins
  readOnly: true
- name: smtp
  mountPath: /secrets/smtp
  readOnly: true
{{- end }}
{{- end }}

{{/*
Core is copied from the image into each new pod, so that a new image is a new WordPress; only wp-content persists. Files of
Secrets are readable for the group (mode 0440), which is fsGroup.
*/}}
{{- define "woocommerce.volumes" -}}
- name: core
  emptyDir:
    sizeLimit: 512Mi
- name: content
  persistentVolumeClaim:
    claimName: content
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
    defaultMode: 288 # 0440
    items:
      - key: database-user
        path: database-user
      - key: database-password
        path: database-password
      {{- range include "woocommerce.keys" . | fromYamlArray }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- if .Values.woocommerce.smtp }}
- name: plugins
  configMap:
    name: files
    defaultMode: 292 # 0444
    items:
      - key: smtp.php
        path: smtp.php
- name: smtp
  secret:
    secretName: smtp
    defaultMode: 288 # 0440
{{- end }}
{{- end }}

{{/*
The start of a pod: WordPress is copied from the web image and configured, then Apache or wp-cli works on the copy. Takes the
root and the resources.
*/}}
{{- define "woocommerce.core" -}}
- name: core
  image: {{ .root.Values.images.web }}
  command: [/bin/bash, /etc/store/core.sh]
  env:
    {{- include "woocommerce.env" .root | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  {{- include "store.container" . | nindent 2 }}
  volumeMounts:
    {{- include "woocommerce.mounts" .root | nindent 4 }}
{{- end }}
