#!/usr/bin/env bash
# Builds what is measured and its peers, measures them interleaved on this machine and prints the tables.
#
#   tests/bench/run.sh           three runs of each, about half an hour on two cores
#   tests/bench/run.sh --short   one short run of each, a few minutes: for a first look only
#   tests/bench/run.sh --server | --client   only that half
#
# Packages beside those of the build: nodejs, npm, python3. The results are kept in build/bench/.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD out=$PWD/build/bench here=$PWD/tests/bench
runs=3 seconds=4 patience=20 server=1 client=1 sizes='conns=1000,conns=9000' further=200
for arg in "$@"; do
    case $arg in
    --short) runs=1 seconds=2 patience=3 sizes='conns=1000' further=50 short=1 ;;
    --server) client=0 ;;
    --client) server=0 ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 64 ;;
    esac
done

mkdir -p "$out"
cmake --preset release >"$out/build.log"
cmake --build --preset release -j"$(nproc)" >>"$out/build.log"
cc -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -o "$out/sioload" "$here"/sioload/*.c
cc -O2 -o "$out/lws_echo" "$here/peers/lws-echo/lws_echo.c" -lwebsockets -luv
cc -O2 -std=gnu11 -Wall -Wextra -Isdk/include -o "$out/aivo_client" "$here/peers/clients/aivo_client.c" \
    -Lbuild/release/sdk -laivo -Wl,-rpath,"$root/build/release/sdk" -lpthread
if [ ! -d "$here/node_modules" ]; then
    (cd "$here" && npm ci --omit=optional --no-audit --no-fund --loglevel=error)
fi
ulimit -n "$(ulimit -Hn)"

sut="env HOST=127.0.0.1 RATE_LIMIT_MAX_MESSAGES=0 BENCH_EVENTS=true LOG_LEVEL=warn \
NEXTAUTH_SECRET=$(printf 'bench-secret-%.0s' 1 2 3) $root/build/release/server-stub/aivo-server --port {port}"
secret=$(printf 'bench-secret-%.0s' 1 2 3)

measure() { # SUITE... -- OPTION...: the three servers, one after the other, in each run
    local suites=()
    while [ "$1" != -- ]; do suites+=("$1"); shift; done
    shift
    "$here/bench.py" "${suites[@]}" --sioload "$out/sioload" --secret "$secret" --runs "$runs" --seconds "$seconds" \
        --patience "$patience" --add "aivo-server=$sut" --add-raw "lws-echo=$out/lws_echo {port}" --out "$out/results.jsonl" "$@"
}

if [ $server -eq 1 ]; then
    rm -f "$out/results.jsonl"
    all=aivo-server,node-socketio,lws-echo
    measure ack storm -- --server "$all"
    measure idle -- --server "$all" --only "$sizes"
    measure fanout -- --server aivo-server,node-socketio
    if [ -z "${short:-}" ]; then
        measure latency -- --server "$all" --only rate=20000
        measure growth -- --server "$all" --only 'conns=100 rate=10000,conns=9000 rate=10000'
    fi
    echo
    "$here/compare.py" "$out/results.jsonl" || true
fi
if [ $client -eq 1 ]; then
    rm -f "$out/clients.jsonl"
    "$here/clients.py" --server "$sut" --runs "$runs" --seconds "$seconds" --secret "$secret" --out "$out/clients.jsonl" \
        --client "libaivo=$out/aivo_client {url} {seconds} $further" \
        --client "socket.io-client=node $here/peers/clients/js_client.js {url} {seconds}"
fi
