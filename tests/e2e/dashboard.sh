#!/usr/bin/env bash
# Every query of the Grafana dashboard, and every rule, against a real Prometheus that scrapes a loaded aivo-server.
#
#   AIVO_BUILD=build/dev tests/e2e/dashboard.sh
#
# The scenario: two servers share a Redis; clients connect, ask, are refused by the rate limit and by the token check, and
# leave. Then each query of packaging/grafana/aivo-server.json must have an answer with a number in it, and promtool's
# tests of packaging/prometheus/rules.yml must pass.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
build=${AIVO_BUILD:-build/dev}
server=$build/server-stub/aivo-server
aivo=$build/sdk/aivo
dashboard=packaging/grafana/aivo-server.json
secret="dashboard-test-secret-0123456789abcdef"
pids=()

# shellcheck source=tests/e2e/lib/prometheus.sh
. tests/e2e/lib/prometheus.sh
for tool in promtool prometheus curl jq redis-server; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
done

dir=$(mktemp -d)
cleanup() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

if promtool test rules packaging/prometheus/rules_test.yml >"$dir/rules" 2>&1; then pass "the rules' own tests"; else fail "$(cat "$dir/rules")"; fi
if promtool check config packaging/prometheus/prometheus.yml >"$dir/config" 2>&1; then pass "prometheus.yml"; else fail "$(cat "$dir/config")"; fi

redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no >"$dir/redis.log" 2>&1 &
pids+=($!)
: >"$dir/empty.env"
urls=()
for i in 1 2; do
    NEXTAUTH_SECRET=$secret REDIS_HOST=127.0.0.1 REDIS_PORT=$redis_port BENCH_EVENTS=true "$server" --env "$dir/empty.env" \
        --port 0 --rate-limit-max-messages 40 >"$dir/server$i.out" 2>"$dir/server$i.err" &
    pids+=($!)
    until_true 10 grep -q '^listening on ' "$dir/server$i.out" || die "server $i: $(cat "$dir/server$i.err")"
    urls+=("$(sed -n 's/^listening on //p' "$dir/server$i.out")")
done

cat >"$dir/prometheus.yml" <<END
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [$PWD/packaging/prometheus/rules.yml]
scrape_configs:
  - job_name: aivo-server
    metrics_path: /metrics/prometheus
    static_configs: [{targets: ["${urls[0]#http://}", "${urls[1]#http://}"]}]
END
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --web.listen-address=127.0.0.1:0 \
    >"$dir/prometheus.log" 2>&1 &
prometheus_pid=$!
pids+=("$prometheus_pid")
until_true 30 find_port "$prometheus_pid" || die "Prometheus did not start: $(tail -5 "$dir/prometheus.log")"

# Load that leaves something in every metric, until the queries are done.
load() {
    local url event
    while :; do
        for url in "${urls[@]}"; do
            for event in agent:learning agent:tutor agent:speech; do
                yes '{"action":"start_session"}' | head -n 30 | "$aivo" emit "$url" $event - --ack --token-secret $secret --user u --log error
            done
            "$aivo" emit "$url" quality_ping '{"pingId":1}' --ack --token-secret $secret --user u --log error
            "$aivo" emit "$url" bench:broadcast '{}' --token-secret $secret --user u --log error
            "$aivo" emit "$url" x '{}' --token bad --log error --timeout 500
        done
        sleep 0.2
    done >/dev/null 2>&1
}
load &
pids+=($!)
"$aivo" listen "${urls[0]}" --token-secret $secret --user listener --log error >/dev/null 2>&1 &
pids+=($!)

has_numbers() { query "$1" | jq -e '.status == "success" and ([.data.result[] | .value[1] | select(. != "NaN")] | length) > 0'; }
# shellcheck disable=SC2016  # these are names of Grafana, not of the shell
concrete() { sed -e 's/\$__rate_interval/10s/g' -e 's/\$job/aivo-server/g' -e 's/\$instance/.*/g' <<<"$1"; }

mapfile -t queries < <(jq -r '.panels[].targets[]?.expr' "$dashboard")
mapfile -t annotations < <(jq -r '.annotations.list[].expr | sub(" > 0$"; "")' "$dashboard")
[ ${#queries[@]} -gt 25 ] || fail "only ${#queries[@]} queries found in $dashboard"
for query in "${queries[@]}" "${annotations[@]}" aivo:message_latency_ms:p95_5m; do
    if until_true 20 has_numbers "$(concrete "$query")"; then
        pass "$query"
    else
        fail "no figures: $query: $(query "$(concrete "$query")" | head -c 300)"
    fi
done
down=$(query 'ALERTS{alertname="AivoServerDown"}' | jq '.data.result | length')
[ "$down" = 0 ] || fail "AivoServerDown fires while both servers run"

echo "$failures failures"
[ $failures -eq 0 ]
