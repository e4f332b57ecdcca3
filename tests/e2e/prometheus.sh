#!/usr/bin/env bash
# aivo-server's metrics as Prometheus sees them: promtool's remarks on a scrape, and a real Prometheus that scrapes it.
#
#   tests/e2e/prometheus.sh [PATH/TO/aivo-server]     (else $AIVO_BUILD/server-stub/aivo-server)
#
# Beside it `aivo diagnose --listen` runs as an exporter, which the same Prometheus scrapes.
#
# The scenario: a client connects over polling, opens an agent session, makes two mistakes and sends 300 events with
# names of its own invention. All eight metrics must show that, and no label may have been added by the client.
set -u -o pipefail

server=${1:-${AIVO_BUILD:-build/dev}/server-stub/aivo-server}
secret=prometheus-test-secret-0123456789abcdef

# shellcheck source=tests/e2e/lib/prometheus.sh
. "$(dirname "$0")/lib/prometheus.sh"
for tool in promtool prometheus curl jq openssl; do
    command -v "$tool" >/dev/null || {
        echo "SKIP: $tool is not installed"
        exit 1 # loudly: a run without it has not tested what it says
    }
done
[ -x "$server" ] || die "no server at $server"
cli=$(dirname "$server")/../sdk/aivo
[ -x "$cli" ] || die "no command line at $cli"

dir=$(mktemp -d)
server_pid='' exporter_pid='' prometheus_pid=''
cleanup() {
    for pid in $prometheus_pid $exporter_pid $server_pid; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---------------------------------------------------------------- the server

: >"$dir/empty.env"
NEXTAUTH_SECRET=$secret "$server" --env "$dir/empty.env" --port 0 --rate-limit-max-messages 0 \
    >"$dir/server.out" 2>"$dir/server.err" &
server_pid=$!
until_true 10 grep -q '^listening on ' "$dir/server.out" || die "the server did not start: $(cat "$dir/server.err")"
url=$(sed -n 's/^listening on //p' "$dir/server.out")
[ -n "$url" ] || die "the server did not say where it listens"

# ---------------------------------------------------------------- a client of curl

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
head_part=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf '{"userId":"scraper","exp":%d}' $(($(date +%s) + 600)) | base64url)
signature=$(printf '%s.%s' "$head_part" "$claims" | openssl dgst -sha256 -hmac "$secret" -binary | base64url)
token=$head_part.$claims.$signature

polling="$url/socket.io/?EIO=4&transport=polling"
sid=$(curl -sS --max-time 10 "$polling" | sed 's/^0//' | jq -r .sid)
[ -n "$sid" ] || die "no handshake"
poll() { curl -sS --max-time 10 "$polling&sid=$sid"; }
post() { # the body on standard input
    [ "$(curl -sS --max-time 10 --data-binary @- -H 'Content-Type: text/plain' "$polling&sid=$sid")" = ok ] ||
        die "a POST was refused"
}
printf '40{"token":"%s","learnerId":"l1"}' "$token" | post
answer=$(poll)
case $answer in
*'40{"sid"'*) ;;
*) die "not connected: $answer" ;;
esac
{
    printf '420["agent:learning",{"action":"start_session"}]'
    printf '\036421["agent:learning",{"action":"dance"}]'
    printf '\036422["agent:speech",{}]'
    printf '\036423["quality_ping",{"pingId":1}]'
    for i in $(seq 300); do
        printf '\03642["invented-%d{event=\\"x\\"}",1]' "$i"
    done
} | post
got=''
for _ in 1 2 3 4 5 6; do
    case $got in *'433['*) break ;; esac
    got=$got$(poll)
done
case $got in
*'430[{"success":true'*'431[{"error":"Unknown action"}]'*'432[{"error":'*'433[{"pingId":1,'*) pass "the four acks arrived" ;;
*) fail "acks: $got" ;;
esac

# ---------------------------------------------------------------- the scrape

curl -sS --max-time 10 -D "$dir/headers" -o "$dir/scrape" "$url/metrics/prometheus" || die "no scrape"
tr -d '\r' <"$dir/headers" | grep -qix 'content-type: text/plain; version=0.0.4; charset=utf-8' ||
    fail "content type: $(grep -i content-type "$dir/headers")"

shows() { # LINE
    if grep -qxF -- "$1" "$dir/scrape"; then pass "$1"; else fail "the scrape has no line '$1'"; fi
}
shows 'websocket_connections_total 1'
shows 'websocket_connections_count 1'
shows 'websocket_disconnections_total{reason="transport close"} 0'
shows 'websocket_messages_sent_total{event="connection:quality"} 1'
shows 'websocket_messages_sent_total{event="quality_pong"} 1'
shows 'websocket_messages_received_total{event="agent:learning"} 2'
shows 'websocket_messages_received_total{event="agent:speech"} 1'
shows 'websocket_messages_received_total{event="other"} 300'
shows 'websocket_message_latency_ms_count{event="agent:learning"} 2'
shows 'websocket_errors_total{type="unknown_action"} 1'
shows 'websocket_errors_total{type="agent_error"} 1'
shows 'websocket_active_sessions 1'
for name in process_cpu_seconds_total process_start_time_seconds process_resident_memory_bytes \
    process_virtual_memory_bytes process_open_fds process_max_fds event_loop_lag_seconds_count; do
    if grep -qE "^$name [0-9.]+$" "$dir/scrape"; then pass "$name"; else fail "the scrape has no $name"; fi
done
if grep -q invented "$dir/scrape"; then fail "a client made a label"; else pass "no label of the client's making"; fi
if curl -sS --max-time 10 "$url/metrics" | jq -e '.connections.active == 1 and .messages.received.other == 300' >/dev/null; then
    pass "/metrics is JSON with the same figures"
else
    fail "/metrics"
fi

# ---------------------------------------------------------------- promtool

cat >"$dir/expected" <<'END'
websocket_connections_count counter metrics should have "_total" suffix
websocket_connections_count non-histogram and non-summary metrics should not have "_count" suffix
websocket_connections_total non-counter metrics should not have "_total" suffix
websocket_message_latency_ms metric names should not contain abbreviated units
END
promtool check metrics <"$dir/scrape" >"$dir/remarks" 2>&1
status=$?
if [ $status -eq 3 ]; then pass "promtool exits with 3"; else fail "promtool exits with $status"; fi
if sort "$dir/remarks" | diff "$dir/expected" - >"$dir/difference"; then
    pass "promtool has the four remarks on the given names, and no other"
else
    fail "promtool: $(cat "$dir/difference")"
fi

# ---------------------------------------------------------------- Prometheus

"$cli" diagnose "$url" --token "$token" --count 3 --interval 100 --listen 127.0.0.1:0 >"$dir/exporter.out" 2>&1 &
exporter_pid=$!
until_true 10 grep -q 'listening on ' "$dir/exporter.out" || die "the exporter did not start: $(cat "$dir/exporter.out")"
exporter=$(sed -n 's|.*listening on http://\(.*\)/metrics|\1|p' "$dir/exporter.out")

cat >"$dir/prometheus.yml" <<END
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: aivo
    metrics_path: /metrics/prometheus
    static_configs: [{targets: ["${url#http://}"]}]
  - job_name: probe
    scrape_interval: 2s
    scrape_timeout: 2s
    static_configs: [{targets: ["$exporter"]}]
END
promtool check config "$dir/prometheus.yml" >"$dir/config.log" 2>&1 || die "$(cat "$dir/config.log")"
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --web.listen-address=127.0.0.1:0 \
    >"$dir/prometheus.log" 2>&1 &
prometheus_pid=$!

until_true 30 find_port "$prometheus_pid" || die "Prometheus did not start: $(tail -5 "$dir/prometheus.log")"
holds() { query "$1" | jq -e '.status == "success" and (.data.result | length) == 1 and .data.result[0].value[1] == "1"'; }
if until_true 30 holds 'up{job="aivo"}'; then pass "up == 1"; else fail "up: $(query 'up{job="aivo"}')"; fi
if until_true 10 holds 'websocket_connections_total'; then
    pass "Prometheus has the gauge"
else
    fail "gauge: $(query websocket_connections_total)"
fi
if until_true 10 holds 'histogram_quantile(0.5, websocket_message_latency_ms_bucket{event="agent:learning"}) < bool 5000'; then
    pass "Prometheus computes a median latency"
else
    fail "histogram: $(query 'websocket_message_latency_ms_bucket{event="agent:learning"}')"
fi

if until_true 20 holds "aivo_probe_success{job=\"probe\", target=\"$url\"}"; then
    pass "Prometheus has a diagnosis of the exporter's"
else
    fail "exporter: $(query 'aivo_probe_success') $(cat "$dir/exporter.out")"
fi
if until_true 10 holds 'aivo_probe_rtt_p50_seconds < bool 1'; then
    pass "and its round trip"
else
    fail "round trip: $(query aivo_probe_rtt_p50_seconds)"
fi

echo "$failures failures"
[ $failures -eq 0 ]
