{{- define "datastorage.name" -}}
{{- if contains "datastorage" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-datastorage" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "datastorage.selector" -}}
app.kubernetes.io/name: datastorage
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "datastorage.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "datastorage.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "datastorage.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "datastorage.name" .) }}
{{- end -}}

{{- define "datastorage.podSecurity" -}}
{{- .Values.podSecurityContext | toYaml -}}
{{- end -}}

{{- define "datastorage.containerSecurity" -}}
{{- .Values.containerSecurityContext | toYaml -}}
{{- end -}}

{{- /* Every address of the pod: of IPv4, or of both families where the Service may have IPv6. */ -}}
{{- define "datastorage.host" -}}
{{- $s := .Values.service -}}
{{- ternary "[::]" "0.0.0.0" (or (has "IPv6" $s.ipFamilies) (hasSuffix "DualStack" $s.ipFamilyPolicy)) -}}
{{- end -}}

{{- define "datastorage.workers" -}}
{{- dig "server" "workers" 1 .Values.config -}}
{{- end -}}

{{- /* The YAML file that the service reads; what .Values.config says comes last. */ -}}
{{- define "datastorage.settings" -}}
{{- $v := .Values -}}
{{- $auth := dict "mode" $v.auth.mode "protect_metrics" $v.auth.protectMetrics -}}
{{- if eq $v.auth.mode "none" -}}
{{- $_ := set $auth "allow_anonymous" $v.auth.anonymous -}}
{{- else if eq $v.auth.mode "token" -}}
{{- $_ := set $auth "tokens_file" "/etc/datastorage/secrets/auth/tokens" -}}
{{- else if $v.auth.issuers -}}
{{- $_ := set $auth "jwt_issuers" $v.auth.issuers -}}
{{- else -}}
{{- $_ := set $auth "jwt_keys_file" "/etc/datastorage/secrets/auth/jwks.json" -}}
{{- $_ := set $auth "jwt_issuer" $v.auth.issuer -}}
{{- $_ := set $auth "jwt_audience" $v.auth.audience -}}
{{- end -}}
{{- if and (eq $v.auth.mode "jwt") $v.auth.tokensSecret -}}
{{- $_ := set $auth "tokens_file" "/etc/datastorage/secrets/tokens/tokens" -}}
{{- end -}}
{{- $redis := dict -}}
{{- with $v.redis.url -}}
{{- $_ := set $redis "url" . -}}
{{- end -}}
{{- with $v.redis.sentinels -}}
{{- $_ := set $redis "sentinels" . -}}
{{- $_ := set $redis "sentinel_service" $v.redis.sentinelService -}}
{{- end -}}
{{- if $v.redis.sentinelPasswordSecret -}}
{{- $_ := set $redis "sentinel_password_file" "/etc/datastorage/secrets/sentinels/password" -}}
{{- end -}}
{{- if $v.redis.caSecret -}}
{{- $_ := set $redis "ca_file" "/etc/datastorage/secrets/redis-ca/ca.crt" -}}
{{- end -}}
{{- if $v.redis.passwordSecret -}}
{{- $_ := set $redis "password_file" "/etc/datastorage/secrets/redis/password" -}}
{{- end -}}
{{- $database := dict "host" $v.database.host "port" $v.database.port "name" $v.database.name "user" $v.database.user
      "schema" $v.database.schema "sslmode" $v.database.sslmode "pool_size" $v.database.poolSize "prepared_statements" $v.database.preparedStatements
      "password_file" "/etc/datastorage/secrets/database/password" -}}
{{- if $v.database.caSecret -}}
{{- $_ := set $database "sslrootcert" "/etc/datastorage/secrets/database-ca/ca.crt" -}}
{{- end -}}
{{- $log := dict -}}
{{- if $v.log.keySecret -}}
{{- $_ := set $log "key_file" "/etc/datastorage/secrets/log/log.key" -}}
{{- if $v.log.checkpointClaim -}}
{{- $_ := set $log "checkpoint_file" "/var/lib/datastorage/log/checkpoint" -}}
{{- end -}}
{{- if $v.log.witnessPolicy -}}
{{- $_ := set $log "witness_policy" "/etc/datastorage/witness-policy" -}}
{{- end -}}
{{- end -}}
{{- $settings := dict
  "server" (dict "host" (include "datastorage.host" .) "port" 8080 "workers" 1)
  "logging" (dict "format" "json")
  "database" $database
  "redis" $redis
  "dlq" (dict "max_len" $v.dlq.maxLen)
  "auth" $auth
  "health" (dict "port" 8081)
-}}
{{- if $log -}}{{- $_ := set $settings "log" $log -}}{{- end -}}
{{- mergeOverwrite $settings (deepCopy $v.config) | toYaml -}}
{{- end -}}

{{- /* The migration's own: it runs before the release's ConfigMap is there, and as another role. */ -}}
{{- define "datastorage.migrationSettings" -}}
{{- $v := .Values -}}
{{- $m := $v.migration -}}
{{- /* Each of several hosts has its port. */ -}}
{{- $hosts := list -}}
{{- range splitList "," ($m.host | default $v.database.host) -}}
{{- $host := trim . -}}
{{- if and (contains ":" $host) (not (hasPrefix "[" $host)) -}}{{- $host = printf "[%s]" $host -}}{{- end -}}
{{- $hosts = append $hosts (printf "%s:%v" $host ($m.port | default $v.database.port)) -}}
{{- end -}}
{{- $url := printf "postgresql://%s@%s/%s?sslmode=%s" $m.user (join "," $hosts) $v.database.name $v.database.sslmode -}}
database:
  # The role that is given its rights.
  user: {{ $v.database.user }}
  schema: {{ $v.database.schema }}
  direct_url: {{ $url | quote }}
  direct_password_file: /etc/datastorage/secrets/migration/password
  {{- if $v.database.caSecret }}
  sslrootcert: /etc/datastorage/secrets/database-ca/ca.crt
  {{- end }}
{{- end -}}

{{- /* What cannot work is said before anything is installed, in words that say what to do. */ -}}
{{- define "datastorage.check" -}}
{{- $v := .Values -}}
{{- if not $v.auth.mode -}}
{{- fail "auth.mode is needed: token (with auth.tokensSecret), jwt (with auth.issuers), or none (with auth.anonymous: true)" -}}
{{- end -}}
{{- if and (eq $v.auth.mode "none") (not $v.auth.anonymous) -}}
{{- fail "auth.mode none lets anyone in who reaches the service: say so with auth.anonymous: true, or choose token or jwt" -}}
{{- end -}}
{{- if and (eq $v.auth.mode "token") (not $v.auth.tokensSecret) -}}
{{- fail "auth.mode token needs auth.tokensSecret: a Secret with the key tokens" -}}
{{- end -}}
{{- if and (eq $v.auth.mode "jwt") (not $v.auth.issuers) (not (and $v.auth.jwksSecret $v.auth.issuer $v.auth.audience)) -}}
{{- fail "auth.mode jwt needs auth.issuers, or auth.jwksSecret (a Secret with the key jwks.json), auth.issuer and auth.audience" -}}
{{- end -}}
{{- if and $v.auth.issuers (or $v.auth.jwksSecret $v.auth.issuer $v.auth.audience) -}}
{{- fail "auth.issuers holds every issuer: auth.jwksSecret, auth.issuer and auth.audience cannot be set beside it" -}}
{{- end -}}
{{- range list (list "database.host" $v.database.host) (list "database.passwordSecret" $v.database.passwordSecret) (list "redis.url, or redis.sentinels," (or $v.redis.url $v.redis.sentinels)) -}}
{{- if not (index . 1) -}}
{{- fail (printf "%s is needed" (index . 0)) -}}
{{- end -}}
{{- end -}}
{{- if and (or $v.log.checkpointClaim $v.log.witnessPolicy) (not $v.log.keySecret) -}}
{{- fail "log.checkpointClaim and log.witnessPolicy need log.keySecret: a Secret with the key log.key (datastorage log keygen)" -}}
{{- end -}}
{{- /* No more than the words that lines begin with: the service reads the keys, `datastorage config check` too. */ -}}
{{- with $v.log.witnessPolicy -}}
{{- $quorum := false -}}
{{- range splitList "\n" . -}}
{{- if not (regexMatch "^[ \t]*(#.*|(log|witness|group|quorum)[ \t].*)?$" .) -}}
{{- fail (printf "log.witnessPolicy: %q begins with none of log, witness, group, quorum and #" .) -}}
{{- end -}}
{{- if regexMatch "^[ \t]*quorum[ \t]" . -}}{{- $quorum = true -}}{{- end -}}
{{- end -}}
{{- if not $quorum -}}
{{- fail "log.witnessPolicy has no line with the quorum" -}}
{{- end -}}
{{- end -}}
{{- if and $v.migration.enabled (not $v.migration.passwordSecret) -}}
{{- fail "migration.passwordSecret is needed: a Secret with the password of the role that owns the tables (or migration.enabled: false, and migrate by hand)" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not (and $v.ingress.host $v.ingress.tlsSecret)) -}}
{{- fail "ingress.enabled needs ingress.host and ingress.tlsSecret: tokens do not travel without TLS" -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.fromNamespaces) -}}
{{- fail "networkPolicy.fromNamespaces is needed: the namespaces that may use the service (or networkPolicy.enabled: false)" -}}
{{- end -}}
{{- if and (eq $v.service.ipFamilyPolicy "SingleStack") (gt (len $v.service.ipFamilies) 1) -}}
{{- fail "service.ipFamilies names two families and service.ipFamilyPolicy is SingleStack: choose PreferDualStack or RequireDualStack, or one family" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- $pods := $v.replicas | int -}}
{{- if $v.autoscaling.enabled -}}{{- $pods = $v.autoscaling.maxReplicas | int -}}{{- end -}}
{{- $surge := $v.rollout.maxSurge | int -}}
{{- $workers := include "datastorage.workers" . | int -}}
{{- if lt $workers 1 -}}
{{- fail "config.server.workers must be at least 1: the chart counts its connections" -}}
{{- end -}}
{{- $pool := dig "database" "pool_size" $v.database.poolSize $v.config | int -}}
{{- $each := add (max $pool $workers) (mul 3 $workers) | int -}}
{{- $need := mul $each (add $pods $surge) | int -}}
{{- /* Two more: the migration of an upgrade runs beside the pods, and one pod gives places in the log. */ -}}
{{- if ge (add $need 2) ($v.database.maxConnections | int) -}}
{{- fail (printf "%d connections a pod × (%d pods + %d surge) + 1 for the migration + 1 for the log = %d, which is not less than database.maxConnections (%d): lower database.poolSize or the pods, or raise max_connections of the server and say so here" $each $pods $surge (add $need 2) ($v.database.maxConnections | int)) -}}
{{- end -}}
{{- end -}}
