#!/usr/bin/env bash
# Installs a build into a folder, moves that folder, and builds programs against it as somebody else would: with
# find_package(aivo), and with pkg-config.
#
#   tests/install/run.sh BUILD-FOLDER [--record]     --record: only records the binary interface (tests/install/abi)
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR='' cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix" # nothing in it may know where it was installed
prefix=$work/prefix
library=$(dirname "$(find "$prefix" -name libaivo.so)")
if [ "${2-}" = --record ]; then
    "$here/abi.py" "$prefix" --record
    exit
fi
export LD_LIBRARY_PATH=$library

echo "programs run from where they are installed"
env -u LD_LIBRARY_PATH "$prefix/bin/aivo" --version
"$prefix/bin/aivo-server" --check >/dev/null

echo "man pages and completions are where shells and man look"
for file in man/man1/aivo.1 man/man1/aivo-diagnose.1 man/man8/aivo-server.8 bash-completion/completions/aivo \
    zsh/site-functions/_aivo fish/vendor_completions.d/aivo.fish; do
    [ -s "$prefix/share/$file" ] || { echo "share/$file is missing"; exit 1; }
done

echo "only aivo_ symbols are exported"
others=$(nm -D --defined-only "$library/libaivo.so" | awk '$3 !~ /^(aivo_|AIVO_0)/ {print $3}')
[ -z "$others" ] || { echo "also exported: $others"; exit 1; }

echo "the binary interface is the recorded one"
status=0
"$here/abi.py" "$prefix" || status=$?
[ $status -eq 0 ] || [ $status -eq 77 ] || {
    echo "Is that meant? Then record it: tests/install/run.sh BUILD-FOLDER --record, and say so in the CHANGELOG"
    exit 1
}

echo "find_package(aivo)"
components=
[ ! -e "$library/libaivo-gtk.so" ] || components=gtk
cmake -S "$here/consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCOMPONENTS=$components \
    -DEXAMPLES="$(realpath "$here/../../sdk/examples/raii.cpp")" >"$work/consumer.log"
cmake --build "$work/consumer" >>"$work/consumer.log" || { cat "$work/consumer.log"; exit 1; }
"$work/consumer/consumer_c"
"$work/consumer/consumer_cpp"
[ -z "$components" ] || "$work/consumer/consumer_gtk"

echo "find_package(aivo COMPONENTS ...) of what is not there is refused"
refused() { # COMPONENT, what is said
    if cmake -S "$here/consumer" -B "$work/refused" -DCMAKE_PREFIX_PATH="$prefix" -DCOMPONENTS="$1" >"$work/refused.log" 2>&1
    then echo "component $1 was found"; exit 1; fi
    tr -s '\n ' ' ' <"$work/refused.log" | grep -q "aivo: component $1: $2" || { cat "$work/refused.log"; exit 1; }
    rm -r "$work/refused"
}
refused nonsense 'there is no such component'
if [ -n "$components" ]; then # as where only the library's package is installed
    mv "$library/pkgconfig/aivo-gtk.pc" "$work/"
    refused gtk 'libaivo-gtk with its aivo-gtk.pc'
    mv "$work/aivo-gtk.pc" "$library/pkgconfig/"
fi

services=$prefix/share/dbus-1/services
if [ -d "$services" ]; then
    echo "D-Bus starts the program where cmake --install --prefix put it"
    grep -qx "Exec=$work/first/bin/aivo-monitor --gapplication-service" "$services"/*.service || { cat "$services"/*; exit 1; }
fi

echo "pkg-config aivo"
export PKG_CONFIG_PATH=$library/pkgconfig
[ "$(pkg-config --modversion aivo)" = "$("$prefix/bin/aivo" --version | cut -d' ' -f2)" ]
# shellcheck disable=SC2046  # flags are words
${CC:-cc} -std=c11 -Wall -Werror "$here/consumer/main.c" $(pkg-config --cflags --libs aivo) -o "$work/with-pkg-config"
"$work/with-pkg-config"

echo "every example, from the installed headers and library"
for example in "$here"/../../sdk/examples/*.c*; do
    name=$(basename "${example%.*}")
    case $name in
    loop_glib) with=glib-2.0 ;;
    loop_uv) with=libuv ;;
    *) with= ;;
    esac
    case $example in
    *.cpp) compile="${CXX:-c++} -std=c++17" ;;
    *.c) compile="${CC:-cc} -std=gnu11" ;;
    *) continue ;;
    esac
    # shellcheck disable=SC2046,SC2086  # flags are words, and there may be no further package
    $compile -Wall -Werror "$example" $(pkg-config --cflags --libs aivo $with) -lpthread -o "$work/example"
    status=0
    "$work/example" >/dev/null 2>&1 || status=$?
    [ $status -eq 64 ] || { echo "$name without arguments ends with $status"; exit 1; }
done

echo "the program in the README"
awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' "$here/../../README.md" >"$work/readme.c"
[ "$(wc -l <"$work/readme.c")" -gt 20 ]
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -Wall -Werror "$work/readme.c" $(pkg-config --cflags --libs aivo) -o "$work/readme"

[ -e "$library/libaivo-gtk.so" ] || exit 0
echo "libaivo-gtk: its names, its soname, and nothing of a network"
others=$(nm -D --defined-only "$library/libaivo-gtk.so" | awk '$3 !~ /^(aivo_quality_|aivo_link_state_|AIVO_GTK_0)/ {print $3}')
[ -z "$others" ] || { echo "also exported: $others"; exit 1; }
readelf -d "$library/libaivo-gtk.so" | grep -q 'SONAME.*\[libaivo-gtk\.so\.0\]'
if readelf -d "$library/libaivo-gtk.so" | grep NEEDED | grep -E 'websockets|ssl|sqlite|libaivo\.|adwaita|curl'; then exit 1; fi

echo "the program in docs/gtk.md"
awk '/^## Thirty/ {s = 1} s && /^```c$/ {on = 1; next} on && /^```$/ {exit} on' "$here/../../docs/gtk.md" >"$work/gtk.c"
[ "$(wc -l <"$work/gtk.c")" -gt 30 ]
# shellcheck disable=SC2046
${CC:-cc} -std=gnu11 -Wall -Werror "$work/gtk.c" $(pkg-config --cflags --libs aivo aivo-gtk) -o "$work/gtk"
if command -v Xvfb >/dev/null; then # it opens its window, and goes on until it is stopped
    status=0
    G_DEBUG=fatal-warnings "$here/../gui/xvfb.sh" timeout 2 "$work/gtk" http://127.0.0.1:1 || status=$?
    [ $status -eq 124 ] || { echo "it ended with $status"; exit 1; }
fi
