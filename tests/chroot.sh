#!/usr/bin/env bash
# The two commands on a fresh Debian 12, from a clone: makes one with debootstrap in a folder, puts in git, certificates,
# sudo and an ordinary user, and runs packaging/quickstart.sh and tests/run.sh there as that user. Needs root.
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
. tests/support/chroot.sh
options=(--dir "$dir")
[ $keep -eq 0 ] || options+=(--keep)
chroot_enter_namespaces "$source/tests/chroot.sh" "${options[@]}" -- "$@"

begun=$SECONDS
say() { printf '[chroot %4ds] %s\n' $((SECONDS - begun)) "$*"; }
inside() { chroot_run "$dir" "$@"; }
as_user() { inside su dev -c "export HOME=/home/dev http_proxy='${http_proxy-}' https_proxy='${https_proxy-}' \
no_proxy='${no_proxy-}'; cd ~/aivo && $*"; }

say "debootstrap"
chroot_make bookworm "$dir"
say "git, certificates, sudo, a user"
chroot_install "$dir" git ca-certificates sudo
cp -L /etc/ssl/certs/ca-certificates.crt "$dir/etc/ssl/certs/ca-certificates.crt"
inside useradd --create-home --shell /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' >"$dir/etc/sudoers.d/dev"
git clone -q --no-hardlinks "$source" "$dir/home/dev/aivo"
if command -v npm >/dev/null; then
    printf 'registry=%s\ncafile=/etc/ssl/certs/ca-certificates.crt\n' "$(npm config get registry 2>/dev/null)" >"$dir/home/dev/.npmrc"
fi
inside chown -R dev:dev /home/dev

status=0
# The one that installs less comes first, else the other's packages hide what it forgets.
for command in "packaging/quickstart.sh --cli --seconds 20" "tests/run.sh $*"; do
    say "$command"
    if as_user "$command </dev/null"; then
        say "passed: $command"
    else
        say "FAILED ($?): $command"
        status=1
    fi
done
chroot_end "$dir"
[ $keep -eq 1 ] || rm -rf --one-file-system "$dir"
exit $status
