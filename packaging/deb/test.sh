#!/usr/bin/env bash
# The packages, from nothing: builds them in a fresh Debian, checks them with lintian, installs, uses and purges them in
# another one. Needs root; some minutes for each release.
#
#   packaging/deb/test.sh [bookworm] [trixie]     without a release: both
set -eu
cd "$(dirname "$0")/../.."
source=$PWD
suites=("$@")
[ $# -gt 0 ] || suites=(bookworm trixie)
for suite in "${suites[@]}"; do
    case $suite in
    bookworm | trixie) ;;
    -h | --help)
        sed -n '2,5s/^# \{0,1\}//p' packaging/deb/test.sh
        exit 0
        ;;
    *)
        echo "packaging/deb/test.sh: no release '$suite' here: bookworm or trixie" >&2
        exit 64
        ;;
    esac
done
. tests/support/chroot.sh
chroot_enter_namespaces "$source/packaging/deb/test.sh" "${suites[@]}"

begun=$SECONDS
work=$source/build/deb-chroot
say() { printf '[%s %4ds] %s\n' "$suite" $((SECONDS - begun)) "$*"; }
fail() {
    say "FAILED: $*"
    exit 1
}

build_packages() {
    say "a fresh system to build in"
    chroot_make "$suite" "$work/$suite-build" || fail "debootstrap"
    mkdir -p "$work/$suite-build/src" "$work/$suite-packages"
    git archive HEAD | tar -x -C "$work/$suite-build/src"
    say "building"
    chroot_run "$work/$suite-build" /src/packaging/deb/build.sh --install-deps /packages >"$work/$suite-build.out" 2>&1 || {
        tail -n 40 "$work/$suite-build.out"
        fail "the packages do not build (see $work/$suite-build.out)"
    }
    rm -f "$work/$suite-packages"/*
    cp "$work/$suite-build"/packages/* "$work/$suite-packages/"
    say "lintian"
    chroot_install "$work/$suite-build" lintian
    chroot_run "$work/$suite-build" sh -c 'lintian --allow-root --fail-on error,warning /packages/*.changes' || fail "lintian"
    chroot_end "$work/$suite-build"
}

use_packages() {
    local dir=$work/$suite-use
    say "a fresh system to install in"
    chroot_make "$suite" "$dir" || fail "debootstrap"
    mkdir "$dir/packages"
    cp "$work/$suite-packages"/*.deb "$dir/packages/"
    rm -f "$dir"/packages/*-dbgsym_*
    cp packaging/deb/use.sh "$dir/packages/"
    chroot_run "$dir" sh /packages/use.sh || fail "use.sh"
    say "the units, under the release's systemd"
    chroot_install "$dir" systemd redis-server openssl curl iproute2 util-linux
    chroot_run "$dir" sh -c 'cd /packages && apt-get install -y -q --no-install-recommends ./libaivo0_*.deb ./aivo_*.deb ./aivo-server_*.deb' \
        >>"$dir.log" 2>&1 || fail "the server does not install a second time"
    local status=0
    tests/systemd/run.sh --root "$dir" || status=$?
    case $status in
    0) ;;
    77) say "NOT TESTED: the units, see above" ;;
    *) fail "the units" ;;
    esac
    chroot_end "$dir"
}

for suite in "${suites[@]}"; do
    build_packages
    use_packages
    rm -rf --one-file-system "$work/$suite-build" "$work/$suite-use"
    say "passed"
done
