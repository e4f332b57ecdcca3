#!/usr/bin/env bash
# Pictures of every page of aivo-monitor, in light and in dark, into a folder. They are made to be looked at.
#   tests/gui/screenshots.sh OUTDIR     AIVO_BUILD=build/dev
set -eu
cd "$(dirname "$0")/../.."
out=${1:?usage: tests/gui/screenshots.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export AIVO_BUILD=${AIVO_BUILD:-$PWD/build/dev}
for look in ${AIVO_LOOKS:-light dark}; do
    AIVO_LOOK=$look tests/gui/monitor/session.sh /usr/bin/python3 -W ignore tests/gui/monitor/pictures.py "$out" 2>&1 |
        grep -v 'dbus-daemon\|SpiRegistry\|X connection' || true
done
ls "$out"
