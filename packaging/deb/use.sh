#!/bin/sh
# Inside a fresh Debian as root, with the packages beside this file: installs, uses and purges them. See test.sh.
set -eu
cd "$(dirname "$0")"
step() { echo "    $*"; }

install() { apt-get install -y -q --no-install-recommends "$@" >install.log 2>&1 || { tail -n 30 install.log; exit 1; }; }
deb() { ls ./"$1"_*.deb; }

step "the server and the command line"
install "$(deb libaivo0)" "$(deb aivo)" "$(deb aivo-server)"
dpkg-query -W libwebsockets-evlib-uv >/dev/null
aivo --version
[ -f /usr/share/man/man1/aivo.1.gz ]
[ -f /etc/aivo/server.env ]
for unit in service socket; do
    [ -f /usr/lib/systemd/system/aivo-server.$unit ] || [ -f /lib/systemd/system/aivo-server.$unit ] || { echo "no aivo-server.$unit"; exit 1; }
done
[ "$(stat -c %a /etc/aivo/server.env)" = 640 ]
dpkg-query -W -f='${Conffiles}' aivo-server | grep -q /etc/aivo/server.env
aivo-server --check --env /etc/aivo/server.env >/dev/null
aivo-server --port 0 >server.out 2>server.err &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
tries=0
until url=$(sed -n 's/^listening on //p' server.out) && [ -n "$url" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat server.err; exit 1; }
    sleep 0.1
done
secret=aivo-development-secret-do-not-use-in-production
aivo emit "$url" quality_ping '{"pingId":"p"}' --ack --token-secret $secret --user u | grep -q '"pingId":"p"'
aivo diagnose "$url" --token-secret $secret --user u >diagnosis || { cat diagnosis; exit 1; }
step "$(tail -n 1 diagnosis)"

step "a program of somebody else, by pkg-config and by find_package"
install gcc libc6-dev make pkgconf cmake "$(deb libaivo-dev)"
# shellcheck disable=SC2046  # flags are words
gcc -Wall -Werror /usr/share/doc/libaivo-dev/examples/connect.c -o connect $(pkg-config --cflags --libs aivo) -lpthread
./connect "$url" "$(aivo token --secret $secret --user u)" | tail -n 1
mkdir -p consumer
cat >consumer/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(consumer C)
find_package(aivo 0.1 REQUIRED)
add_executable(consumer /usr/share/doc/libaivo-dev/examples/connect.c)
target_link_libraries(consumer PRIVATE aivo::aivo)
CMAKE
{ cmake -S consumer -B consumer/build && cmake --build consumer/build; } >cmake.log 2>&1 || { cat cmake.log; exit 1; }

step "the widgets and the monitor"
install "$(deb libaivo-gtk0)" "$(deb aivo-monitor)"
aivo-monitor --version
aivo-monitor --diagnose "$url" --token-secret $secret --user u >/dev/null
install libgtk-4-dev "$(deb libaivo-gtk-dev)"
pkg-config --exists aivo-gtk

step "the guides: there, and no link of theirs leads nowhere"
for guide in aivo/operator.md aivo-server/server-guide.md aivo-monitor/monitor.md libaivo-dev/sdk.md libaivo-gtk-dev/gtk.md; do
    [ -s /usr/share/doc/$guide ] || { echo "no $guide"; exit 1; }
done
for guide in /usr/share/doc/*aivo*/*.md; do
    grep -oE '\]\([^)#: ]+' "$guide" | cut -c 3- | while read -r target; do
        [ -e "$(dirname "$guide")/$target" ] || { echo "$guide: $target is not there"; exit 1; }
    done
done

kill $server
wait $server
trap - EXIT
step "purged, nothing is left"
apt-get purge -y -q aivo aivo-monitor aivo-server libaivo0 libaivo-dev libaivo-gtk0 libaivo-gtk-dev >purge.log 2>&1 || { cat purge.log; exit 1; }
left=$(find / -xdev \( -path /packages -o -path /proc -o -path /sys -o -path /dev -o -path /var/log \) -prune -o -iname '*aivo*' -print)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
