#!/usr/bin/env bash
# The two commands on a fresh Debian 12, from a clone: makes one with debootstrap in a folder, puts in git, certificates,
# sudo and an ordinary user, and runs tests/run.sh and packaging/quickstart.sh there as that user. Needs root.
#
#   tests/chroot.sh [--dir DIR] [--keep] [-- OPTION...]     options behind -- are for tests/run.sh
#
# What is committed is tested. Where packages come from (mirror, proxy, certificates, npm registry) is this machine's.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
dir=$PWD/build/chroot
keep=0
while [ $# -gt 0 ]; do
    case $1 in
    --dir) dir=$2; shift ;;
    --keep) keep=1 ;;
    --) shift; break ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 64 ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || { echo "tests/chroot.sh: needs root" >&2; exit 77; }

# In name spaces of our own: what is mounted and started in there ends with the script.
if [ -z "${AIVO_CHROOT_INSIDE-}" ]; then
    options=(--dir "$dir")
    [ $keep -eq 0 ] || options+=(--keep)
    exec env AIVO_CHROOT_INSIDE=1 unshare --mount --pid --fork --kill-child --propagation private \
        "$source/tests/chroot.sh" "${options[@]}" -- "$@"
fi

begun=$SECONDS
say() { printf '[chroot %4ds] %s\n' $((SECONDS - begun)) "$*"; }

command -v debootstrap >/dev/null || { apt-get update -q; apt-get install -y -q --no-install-recommends debootstrap; }
mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] *)?([^ ]+).*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -vE 'security' | head -n 1)
rm -rf "$dir"
mkdir -p "$dir"
say "debootstrap"
debootstrap --variant=minbase bookworm "$dir" "$mirror" >"$dir.log" 2>&1 || { tail -n 20 "$dir.log"; exit 1; }

# The machine's way to the outside.
cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"
rm -f "$dir/etc/apt/sources.list"
cp /etc/apt/sources.list "$dir/etc/apt/" 2>/dev/null || true
cp /etc/apt/sources.list.d/debian.sources "$dir/etc/apt/sources.list.d/" 2>/dev/null || true
cp -r /etc/apt/apt.conf.d/. "$dir/etc/apt/apt.conf.d/"
rm -f "$dir"/etc/apt/apt.conf.d/*packagekit "$dir"/etc/apt/apt.conf.d/*appstream
mkdir -p "$dir/usr/local/share/ca-certificates"
cp -r /usr/local/share/ca-certificates/. "$dir/usr/local/share/ca-certificates/"
printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d" # packages start no services
chmod +x "$dir/usr/sbin/policy-rc.d"

mount -t proc proc "$dir/proc"
mount --rbind /sys "$dir/sys"
mount --rbind /dev "$dir/dev"
mount -t tmpfs tmpfs "$dir/dev/shm"

inside() { chroot "$dir" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" no_proxy="${no_proxy-}" "$@"; }
as_user() { inside su dev -c "export HOME=/home/dev http_proxy='${http_proxy-}' https_proxy='${https_proxy-}' \
no_proxy='${no_proxy-}'; cd ~/aivo && $*"; }

say "git, certificates, sudo, a user"
inside sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends git ca-certificates sudo' >>"$dir.log" 2>&1 ||
    { tail -n 20 "$dir.log"; exit 1; }
cp -L /etc/ssl/certs/ca-certificates.crt "$dir/etc/ssl/certs/ca-certificates.crt"
inside useradd --create-home --shell /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' >"$dir/etc/sudoers.d/dev"
git clone -q --no-hardlinks "$source" "$dir/home/dev/aivo"
if command -v npm >/dev/null; then
    printf 'registry=%s\ncafile=/etc/ssl/certs/ca-certificates.crt\n' "$(npm config get registry 2>/dev/null)" >"$dir/home/dev/.npmrc"
fi
inside chown -R dev:dev /home/dev

status=0
for command in "tests/run.sh $*" "packaging/quickstart.sh --cli --seconds 20"; do
    say "$command"
    if as_user "$command </dev/null"; then
        say "passed: $command"
    else
        say "FAILED ($?): $command"
        status=1
    fi
done
umount -R "$dir/dev" "$dir/sys" "$dir/proc"
[ $keep -eq 1 ] || rm -rf --one-file-system "$dir"
exit $status
