#!/usr/bin/env bash
# Runs a command on a display of its own: an Xvfb that picks a free number, in a session without a user's settings.
#   xvfb.sh COMMAND [ARGUMENT...]
# Its exit status is the command's. The Xvfb ends with it.
set -u
if ! command -v Xvfb >/dev/null; then
    echo "xvfb.sh: there is no Xvfb (Debian: apt install xvfb)" >&2
    exit 1
fi
work=$(mktemp -d)
mkfifo "$work/display"
# It writes the number that it took into the pipe once it listens.
Xvfb -displayfd 3 -screen 0 1600x1200x24 -nolisten tcp -noreset 3>"$work/display" 2>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$work"' EXIT
if ! read -r -t 20 number <"$work/display" || [ -z "$number" ]; then
    echo "xvfb.sh: Xvfb did not start" >&2
    cat "$work/log" >&2
    exit 1
fi
mkdir "$work/home" "$work/run"
chmod 700 "$work/run"
# No GL at all: cairo draws, and what a GL driver keeps until the end would look like a leak of ours. GTK 4.14 took the
# word from GDK_DEBUG to GDK_DISABLE, and complains of one it does not know.
no_gl=GDK_DISABLE=gl
! pkg-config --max-version=4.13.99 gtk4 2>/dev/null || no_gl=GDK_DEBUG=gl-disable
env -u WAYLAND_DISPLAY -u GTK_THEME DISPLAY=":$number" GDK_BACKEND=x11 GSK_RENDERER=cairo "$no_gl" LIBGL_ALWAYS_SOFTWARE=1 \
    GSETTINGS_BACKEND=memory GTK_A11Y="${GTK_A11Y:-none}" \
    HOME="$work/home" XDG_RUNTIME_DIR="$work/run" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$work/home/.cache}" \
    LC_ALL=C.UTF-8 "$@"
