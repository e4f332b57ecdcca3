#!/usr/bin/env bash
# Debian packages of what is committed, from this machine's own libraries, into build/deb.
#
#   packaging/deb/build.sh [--install-deps] [OUTPUT-FOLDER]
#
# --install-deps installs what the build needs (root, or sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
deps=0
output=$source/build/deb
for argument in "$@"; do
    case $argument in
    --install-deps) deps=1 ;;
    -h | --help)
        sed -n '2,6s/^# \{0,1\}//p' "packaging/deb/build.sh"
        exit 0
        ;;
    -*)
        echo "packaging/deb/build.sh: unknown option $argument (see --help)" >&2
        exit 64
        ;;
    *) output=$(mkdir -p "$argument" && cd "$argument" && pwd) ;;
    esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/aivo
mkdir -p "$tree" "$output"
if git rev-parse --git-dir >/dev/null 2>&1; then
    git archive HEAD | tar -x -C "$tree"
else
    tar -c --exclude=./build --exclude=node_modules . | tar -x -C "$tree" # an unpacked source archive
fi
cp -r "$tree/packaging/deb/debian" "$tree/debian"
cp "$tree"/packaging/systemd/aivo-server.{service,socket} "$tree/debian/"
for name in libaivo libaivo-gtk; do # what is recorded of the interface, as Debian writes it
    { echo "$name.so.0 ${name}0 #MINVER#" && echo "* Build-Depends-Package: $name-dev" &&
        sed 's/^/ /' "$tree/tests/install/abi/$name.so.0.symbols"; } >"$tree/debian/${name}0.symbols"
done

cd "$tree"
if [ $deps -eq 1 ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -q --no-install-recommends build-essential dpkg-dev
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get build-dep -y -q --no-install-recommends "$tree"
fi
dpkg-buildpackage -b -us -uc
cp "$work"/*.deb "$work"/*.buildinfo "$work"/*.changes "$output/"
echo "packages in $output:"
(cd "$output" && ls ./*.deb)
