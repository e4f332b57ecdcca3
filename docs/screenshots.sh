#!/usr/bin/env bash
# Makes the pictures in docs/images anew: the widgets' from the gallery, the monitor's from the application itself, driven
# against servers of its own on a display of its own. Look at them before you commit them.
#
#   docs/screenshots.sh               all of them, into docs/images; about a minute
#   docs/screenshots.sh --into DIR    somewhere else
#   docs/screenshots.sh --list        only says which
#
# AIVO_BUILD=build/dev is the build. Besides what it needs: xvfb, dbus, at-spi, python3-gi, ImageMagick.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath -m "${AIVO_BUILD:-build/dev}")
into=docs/images
# tests/docs/complete.mjs holds this list against the documents and the folder.
images=(gtk-cards-light gtk-charts-light monitor-overview monitor-offline monitor-diagnosis)
case ${1-} in
--list) printf '%s.png\n' "${images[@]}"; exit ;;
--into) into=${2:?--into DIR} ;;
"") ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac

if ! command -v import >/dev/null; then
    echo "docs/screenshots.sh: install imagemagick" >&2
    exit 69
fi
gallery=$build/gui/examples/gallery
if [ ! -x "$gallery" ] || [ ! -x "$build/gui/app/aivo-monitor" ]; then
    echo "docs/screenshots.sh: build first: cmake --preset dev && cmake --build --preset dev" >&2
    exit 69
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for image in "${images[@]}"; do
    [[ $image == gtk-* ]] || continue
    scene=${image#gtk-}
    tests/gui/xvfb.sh "$gallery" --screenshot "$work" --scene="${scene%-*}" --look="${scene##*-}" >/dev/null
    mv "$work/$scene.png" "$work/$image.png"
done
AIVO_BUILD=$build AIVO_LOOKS=light tests/gui/screenshots.sh "$work" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir -p "$into"
for image in "${images[@]}"; do
    [ -s "$work/$image.png" ] || { cat "$work/log"; echo "docs/screenshots.sh: $image.png was not made" >&2; exit 1; }
    mv "$work/$image.png" "$into/"
    echo "$into/$image.png"
done
