#!/usr/bin/env bash
# From a clone to a running connection: installs what is missing (Debian, Ubuntu), builds, starts aivo-server on
# 127.0.0.1:4003, mints a development token and opens aivo-monitor on it, or, without a display, `aivo watch`.
#
#   packaging/quickstart.sh                until Ctrl-C
#   packaging/quickstart.sh --seconds 20   ends by itself after 20 seconds
#   packaging/quickstart.sh --cli          in the terminal, even where a window could be opened
#
# Ctrl-C stops everything it started. What it makes is in build/release and build/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
port=4003
url=http://127.0.0.1:$port
secret=aivo-development-secret-do-not-use-in-production # the server's own, which it accepts on loopback only
user=learner-1
work=$root/build/quickstart
seconds=0
view=cli # in the terminal, unless a window can be opened
[ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || view=window
server_pid=
view_pid=
timer_pid=

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'quickstart: %s\n' "$1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --cli) view=cli ;;
    --seconds | --seconds=*)
        if [ "$1" = --seconds ]; then
            seconds=${2-}
            shift
        else
            seconds=${1#*=}
        fi
        [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail "--seconds: '$seconds' is not a whole number of 1 to 999999" 64
        ;;
    -h | --help)
        sed -n '2,9s/^# \{0,1\}//p' "$root/packaging/quickstart.sh"
        exit 0
        ;;
    *) fail "unknown option $1 (see --help)" 64 ;;
    esac
    shift
done

# ---------------------------------------------------------------- stopping

stop() { # PID SECONDS: asks it to end, insists after so many seconds
    local pid=$1 left=$(($2 * 10))
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && [ $left -gt 0 ]; do
        sleep 0.1
        left=$((left - 1))
    done
    kill -KILL "$pid" 2>/dev/null || true
}

cleanup() {
    local code=$?
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$timer_pid" ] || kill "$timer_pid" 2>/dev/null || true
    [ -z "$view_pid" ] || { stop "$view_pid" 5; wait "$view_pid" 2>/dev/null || true; }
    if [ -n "$server_pid" ]; then
        stop "$server_pid" 12
        wait "$server_pid" 2>/dev/null || true
        say "stopped: aivo-server at $url, log in ${work#"$root"/}/server.log; token in ${work#"$root"/}/token.jwt"
    fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 0' INT TERM HUP

# ---------------------------------------------------------------- packages

packages=(build-essential cmake ninja-build pkg-config libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libssl-dev
    libsqlite3-dev libcjson-dev libjwt-dev libcurl4-openssl-dev libhiredis-dev libmsgpack-dev)
[ $view = cli ] || packages+=(libgtk-4-dev libadwaita-1-dev libsecret-1-dev libglib2.0-dev-bin adwaita-icon-theme)

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"
    done
}

install_packages() {
    local missing as_root=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here: make sure that you have what Debian calls ${packages[*]}"
        return
    fi
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -eq 0 ]; then
        say "packages: all there"
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "missing packages, and neither root nor sudo: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "packages: installing ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# ------------------------------------------------------------------- steps

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

build() {
    say "building (preset release, log in build/quickstart/build.log)"
    # The desktop is built where GTK is: nothing else here needs it.
    local gui=OFF
    ! pkg-config --exists "gtk4 >= 4.8" || gui=ON
    if ! { cmake --preset release -DAIVO_BUILD_GUI=$gui && cmake --build --preset release -j"$(nproc)"; } >"$work/build.log" 2>&1; then
        tail -n 30 "$work/build.log" >&2
        fail "the build failed; the whole log is in $work/build.log"
    fi
}

# The server's folder and environment hold no configuration, so it runs with its embedded defaults.
start_server() {
    say "starting aivo-server on $url"
    : >"$work/server.log"
    (cd "$work" && exec setsid env -i PATH="$PATH" HOME="${HOME:-/}" "$root/build/release/server-stub/aivo-server") \
        </dev/null >>"$work/server.log" 2>&1 &
    server_pid=$!
    local tries=100
    until grep -q '^listening on ' "$work/server.log"; do
        if ! kill -0 "$server_pid" 2>/dev/null || [ $tries -eq 0 ]; then
            cat "$work/server.log" >&2
            kill -0 "$server_pid" 2>/dev/null || server_pid=
            fail "aivo-server did not start"
        fi
        sleep 0.1
        tries=$((tries - 1))
    done
}

mint_token() {
    (umask 077 && "$root/build/release/sdk/aivo" token --secret "$secret" --user $user --ttl 86400 >"$work/token.jwt")
    say "minted a development token for $user, valid for a day: build/quickstart/token.jwt"
}

# In the background, so that a signal to this script is obeyed at once; it ends with TERM just as with Ctrl-C.
open_view() {
    if [ $view = window ]; then
        say "aivo-monitor --url $url   (it goes on when its window is closed; Ctrl-C here ends everything)"
        "$root/build/release/gui/app/aivo-monitor" --url "$url" </dev/null &
    else
        say "aivo watch $url --token-file build/quickstart/token.jwt   (Ctrl-C ends everything)"
        "$root/build/release/sdk/aivo" watch "$url" --token-file "$work/token.jwt" </dev/null &
    fi
    view_pid=$!
    local code=0
    if [ "$seconds" -gt 0 ]; then
        sleep "$seconds" &
        timer_pid=$!
        wait -n "$view_pid" "$timer_pid" || true
        if kill -0 "$timer_pid" 2>/dev/null; then
            kill "$timer_pid"
        else
            stop "$view_pid" 5
            wait "$view_pid" 2>/dev/null || true
            view_pid=
            return
        fi
    fi
    wait "$view_pid" || code=$?
    view_pid=
    [ $code -eq 0 ] || fail "$([ $view = window ] && echo aivo-monitor || echo aivo watch) ended with code $code"
}

mkdir -p "$work"
! port_is_taken || fail "port $port is taken: something on this machine listens on 127.0.0.1:$port. End it and try again."
install_packages
build
! port_is_taken || fail "port $port was taken while building: something listens on 127.0.0.1:$port. End it and try again."
start_server
mint_token
cat <<END

    aivo-server   $url         /socket.io/, /metrics, /metrics/prometheus, /healthz   (pid $server_pid)
    its log       build/quickstart/server.log
    try, in another terminal:
        build/release/sdk/aivo emit $url agent:learning '{"action":"start_session"}' --ack --token-file build/quickstart/token.jwt
        build/release/sdk/aivo listen $url --token-file build/quickstart/token.jwt
        curl $url/metrics/prometheus

END
open_view
