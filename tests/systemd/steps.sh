#!/usr/bin/env bash
# In a system of its own (see run.sh), beside its systemd: what docs/server.md and docs/server-guide.md say of the units.
# shellcheck disable=SC2317,SC2086,SC2015,SC2016  # functions that step calls; words without blanks
set -u
export SYSTEMD_PAGER='' SYSTEMD_COLORS=0
secret=a-secret-of-this-test-0123456789abcdef
url=https://127.0.0.1:4003
tls=/etc/aivo/tls
dropins=/etc/systemd/system/aivo-server.service.d
failures=0

ok() { echo "  ok $*"; }
fail() {
    echo "  FAIL $*"
    failures=$((failures + 1))
}
# step TEXT COMMAND...: its output is shown if it fails.
step() {
    local text=$1 out
    shift
    if out=$("$@" 2>&1 </dev/null); then
        ok "$text"
    else
        fail "$text"
        printf '%s\n' "$out" | tail -n 15 | sed 's/^/      /'
        journalctl --no-pager -q -n 12 -o cat -u aivo-server.service -u aivo-server.socket 2>/dev/null | grep -v '^[A-Z_]*=' | sed 's/^/      journal: /'
    fi
}
must() { # the same; without it there is nothing more to test
    local before=$failures
    step "$@"
    [ $failures -eq "$before" ] || leave
}
within() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { "$@"; return 1; }
        sleep 0.1
    done
}
leave() {
    echo "$failures failures"
    systemctl exit "$((failures > 0))"
    exit
}
property() { systemctl show -P "$1" aivo-server.service; }
is() { # PROPERTY VALUE
    local value
    value=$(property "$1")
    [ "$value" = "$2" ] || { echo "$1 is $value, not $2"; return 1; }
}
answers() { curl -sSf --max-time 5 --cacert $tls/ca.pem "$url/$1"; }
ready() { answers readyz; }
metric() { answers metrics/prometheus | awk -v name="$1" '$1 == name {print $2}'; }
positive() { # METRIC...
    local name
    for name; do
        metric "$name" | awk -v name="$name" '{n = $1} END {if (n + 0 <= 0) {print name " is " n; exit 1}}' || return 1
    done
}
ask() { # URL [FLAG...]: an event and its answer
    aivo emit "$1" quality_ping '{"pingId":"p"}' --ack --ca $tls/ca.pem --token-secret $secret --user u --log error "${@:2}" | grep '"pingId":"p"'
}
serial() { openssl s_client -connect 127.0.0.1:4003 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
certificate() { # the next one of the authority
    openssl x509 -req -in $tls/csr -CA $tls/ca.pem -CAkey $tls/ca.key -CAcreateserial -days 30 -extfile $tls/san -out $tls/cert.new &&
        chgrp aivo-tls $tls/cert.new && chmod 640 $tls/cert.new && mv $tls/cert.new $tls/cert.pem
}
prepare() {
    groupadd -f aivo-tls && mkdir -p $tls $dropins && cd $tls &&
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=Example CA" -keyout ca.key -out ca.pem &&
        printf 'subjectAltName=IP:127.0.0.1\n' >san &&
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out csr &&
        chgrp aivo-tls key.pem && chmod 640 key.pem && certificate && cd / || return 1
    cat >/etc/aivo/server.env <<END
HOST=127.0.0.1
PORT=4003
NEXTAUTH_SECRET=$secret
SSL_ENABLED=true
SSL_KEY_PATH=$tls/key.pem
SSL_CERT_PATH=$tls/cert.pem
REDIS_HOST=127.0.0.1
REDIS_PORT=6399
END
    chmod 640 /etc/aivo/server.env
    printf '[Service]\nSupplementaryGroups=aivo-tls\n' >$dropins/tls.conf
    systemctl daemon-reload
}
status_of() { awk -v name="$1:" '$1 == name {print $2}' "/proc/$(property MainPID)/status"; }
sandboxed() {
    local uid groups
    uid=$(status_of Uid)
    [ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ] || { echo "its user is $uid: no dynamic one"; return 1; }
    [ "$(status_of CapBnd)$(status_of CapEff)" = 00000000000000000000000000000000 ] || { echo "capabilities: $(status_of CapBnd)"; return 1; }
    [ "$(status_of NoNewPrivs)" = 1 ] && [ "$(status_of Seccomp)" = 2 ] || { echo "no filter of system calls"; return 1; }
    groups=$(cut -d' ' -f4 "/proc/$(property MainPID)/mountinfo" | wc -l)
    [ "$groups" -gt 5 ] || { echo "no file system of its own"; return 1; }
    ! nsenter -t "$(property MainPID)" -m sh -c ': >/usr/x || : >/etc/x || : >/var/x' 2>/dev/null || { echo "it could write to the system"; return 1; }
}
# A client that stays for all of the steps, and says how often it had to connect again.
stay() {
    systemd-run -q --unit=stays -p StandardError=file:/tmp/stays.err aivo listen $url --ca $tls/ca.pem --token-secret $secret \
        --user stays --timeout 60000
    within 10 grep -q ': connected' /tmp/stays.err
}
connects() { grep -c ': connected' /tmp/stays.err; }
again() { within 20 test_connects "$1" && ready; }
test_connects() { [ "$(connects)" -ge "$1" ]; }
fails_for_good() { # a setting that cannot be used: 78, told by start, and not tried again
    ! systemctl start aivo-server || { echo "it started"; return 1; }
    sleep 2.5
    is ActiveState failed && is NRestarts 0
}

for tool in curl openssl redis-server aivo aivo-server; do
    command -v $tool >/dev/null || fail "$tool is not installed there"
done
for _ in $(seq 300); do
    systemctl is-active -q aivo-test.target 2>/dev/null && break
    sleep 0.1
done
systemctl is-active -q aivo-test.target || { fail "systemd does not come up"; systemctl list-jobs; leave; }
[ $failures -eq 0 ] || leave
[ "$(cat /proc/1/comm)" = systemd ] && ok "$(systemctl --version | head -n 1) is process 1"

step "systemd-analyze verify has nothing to say" sh -c '! systemd-analyze verify --man=no aivo-server.service aivo-server.socket 2>&1 | grep -F aivo'
step "systemd-analyze security: 2.0 at most" systemd-analyze security --no-pager --threshold=20 aivo-server.service
systemd-analyze security --no-pager aivo-server.service | tail -n 1 | sed 's/^[^O]*/     /'
step "settings, certificates, a Redis" prepare
step "Redis runs" systemd-run -q --unit=redis-test redis-server --port 6399 --bind 127.0.0.1 --save '' --daemonize no

must "start returns when the server is ready (Type=notify)" systemctl start aivo-server
step "  ready at that moment, over TLS, with a key that only root and a group may read" ready
step "  it tells its state" is StatusText "listening on $url"
step "  a user of its own, no capability, a filter of system calls, nothing writable" sandboxed
step "  the log is in the journal" sh -c 'journalctl -q -u aivo-server -o cat | grep -i listening'
step "a client authenticates, asks and is answered" ask $url
step "Redis is reached" within 10 sh -c "curl -sS --cacert $tls/ca.pem $url/metrics/prometheus | grep -x 'aivo_redis_connected 1'"
step "the sandbox hides no figure: memory, processor, files" positive process_resident_memory_bytes process_cpu_seconds_total \
    process_open_fds process_max_fds process_start_time_seconds process_virtual_memory_bytes
step "aivo diagnose finds nothing wrong" aivo diagnose $url --ca $tls/ca.pem --token-secret $secret --user u --count 3
files=$(ulimit -Hn 65536 2>/dev/null; ulimit -Hn) # less where not even root may raise it
step "$files files may be open, and it says so" test "$(metric process_max_fds)" -eq "$files"

step "a client that stays" stay
before=$(serial)
pid=$(property MainPID)
step "SIGHUP: a new certificate" certificate
step "  systemctl reload" systemctl reload aivo-server
step "  is what new connections get" within 10 sh -c "[ \"\$(openssl s_client -connect 127.0.0.1:4003 </dev/null 2>/dev/null | openssl x509 -noout -serial)\" != '$before' ]"
step "  by the same process, which is ready" is MainPID "$pid"
step "  and nobody was dropped" test "$(connects)" = 1

step "kill -9" kill -9 "$pid"
step "  is answered by a new process; who was connected comes back" again 2
step "  counted" is NRestarts 1
printf '[Service]\nWatchdogSec=2\n' >$dropins/watchdog.conf
systemctl daemon-reload
systemctl restart aivo-server
step "restart: who was connected comes back" again 3
pid=$(property MainPID)
sleep 5
step "a watchdog of 2 s is fed while there is nothing to do" is MainPID "$pid"
step "a process that hangs (SIGSTOP)" kill -STOP "$pid"
step "  is found and replaced" within 20 sh -c "[ \"\$(systemctl show -P MainPID aivo-server)\" != $pid ] && [ \"\$(systemctl show -P ActiveState aivo-server)\" = active ]"
step "  by the watchdog" sh -c 'journalctl -q -u aivo-server -o cat | grep -i "watchdog timeout"'
step "  who was connected comes back" again 4
rm $dropins/watchdog.conf
systemctl daemon-reload
step "stop: an orderly end" systemctl stop aivo-server
step "  with success" is Result success

step "socket activation: systemd holds the port" systemctl start aivo-server.socket
step "  and nothing runs" is ActiveState inactive
step "  the first client starts the server, and is served" ready
step "  a restart refuses nobody" sh -c '
    systemctl restart aivo-server & restart=$!
    while kill -0 $restart 2>/dev/null; do
        curl -sS --max-time 15 --cacert '"$tls/ca.pem $url"'/healthz >/dev/null || exit 1
    done
    wait $restart'
systemctl stop stays aivo-server.socket aivo-server.service
mkdir -p /etc/systemd/system/aivo-server.socket.d
printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:443\n' >/etc/systemd/system/aivo-server.socket.d/port.conf
systemctl daemon-reload
step "port 443 by the socket, though the server has no privilege" systemctl start aivo-server.socket
step "  is served" ask https://127.0.0.1:443
systemctl stop aivo-server.socket aivo-server.service

rm $dropins/tls.conf
chgrp root $tls/key.pem
sed -i /^SSL_/d /etc/aivo/server.env
cat >$dropins/tls.conf <<END
[Service]
LoadCredential=key.pem:$tls/key.pem
LoadCredential=cert.pem:$tls/cert.pem
Environment=SSL_ENABLED=true SSL_KEY_PATH=%d/key.pem SSL_CERT_PATH=%d/cert.pem
END
chmod 600 $tls/key.pem $tls/cert.pem
systemctl daemon-reload
step "a key that only root may read, handed over by LoadCredential=" systemctl restart aivo-server
step "  is served with" ready

echo PORT=abc >>/etc/aivo/server.env
systemctl stop aivo-server
step "a setting that cannot be used: start fails, and is not tried again" fails_for_good
step "  the log names it" sh -c 'journalctl -q -u aivo-server -o cat | grep "PORT"'
sed -i /^PORT=abc/d /etc/aivo/server.env
systemctl reset-failed aivo-server
step "enable: it starts with the machine" systemctl enable -q aivo-server
step "  is in multi-user.target" test -L /etc/systemd/system/multi-user.target.wants/aivo-server.service
step "  and goes" systemctl start aivo-server
leave
