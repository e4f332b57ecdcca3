# shellcheck shell=bash
# What the tests with a real Prometheus share: to be sourced. Its account is in $failures, its port in $port.

failures=0
pass() { echo "ok - $*"; }
fail() {
    echo "FAILED - $*"
    failures=$((failures + 1))
}
die() {
    echo "FAILED - $*"
    exit 1
}

# until_true SECONDS COMMAND...: asks again until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

# Prometheus does not say which port it got: look which of its sockets listens.
find_port() { # PID
    local inodes
    inodes=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n')
    port=$(awk -v list="$inodes" 'BEGIN { n = split(list, a, "\n"); for (i = 1; i <= n; i++) own[a[i]] = 1 }
        $4 == "0A" && ($10 in own) { split($2, at, ":"); print at[2]; exit }' /proc/net/tcp)
    [ -n "$port" ] && port=$((16#$port))
}

query() { curl -sS --max-time 5 --get --data-urlencode "query=$1" "http://127.0.0.1:$port/api/v1/query"; }
