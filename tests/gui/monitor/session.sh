#!/usr/bin/env bash
# Runs a command as if in a desktop session of its own: a display, a session bus with AT-SPI, a home that is thrown away.
#   session.sh COMMAND [ARGUMENT...]      AIVO_HOME=DIR keeps the home
set -u
here=$(cd "$(dirname "$0")" && pwd)
services=$(mktemp -d)
home=${AIVO_HOME:-$services/home}
trap 'rm -rf "$services"' EXIT
mkdir -p "$home/config" "$home/data" "$home/cache" "$home/run" "$services/bus"
chmod 700 "$home/run"
cp /usr/share/dbus-1/services/org.a11y.Bus.service "$services/bus/" || exit 1
sed "s|@SERVICES@|$services/bus|" "$here/session.conf" >"$services/session.conf"
# dbus and AT-SPI make their sockets below TMPDIR; a path may be 107 bytes long.
export TMPDIR=$services GTK_A11Y=atspi HOME=$home
"$here/../xvfb.sh" env GTK_A11Y=atspi GSETTINGS_BACKEND=keyfile HOME="$home" XDG_CONFIG_HOME="$home/config" \
    XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache" XDG_RUNTIME_DIR="$home/run" \
    dbus-run-session --config-file="$services/session.conf" -- "$@"
