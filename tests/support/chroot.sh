# shellcheck shell=bash
# A fresh Debian in a folder, to be sourced by scripts that run as root in mount and pid name spaces of their own.
# Where packages come from (mirror, proxy, certificates) is this machine's.

# Runs the calling script again inside name spaces, so that what is mounted and started in there ends with it.
chroot_enter_namespaces() { # SCRIPT ARGUMENT...
    [ "$(id -u)" -eq 0 ] || { echo "$1: needs root" >&2; exit 77; }
    [ -n "${AIVO_CHROOT_INSIDE-}" ] ||
        exec env AIVO_CHROOT_INSIDE=1 unshare --mount --pid --fork --kill-child --propagation private "$@"
}

chroot_mirror() {
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] *)?([^ ]+).*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
        grep '/debian/*$' | head -n 1
}

# Makes DIR a minimal SUITE with /proc, /sys and /dev. Its log is DIR.log.
chroot_make() { # SUITE DIR
    local suite=$1 dir=$2 mirror
    command -v debootstrap >/dev/null || { apt-get update -q; apt-get install -y -q --no-install-recommends debootstrap; }
    mirror=$(chroot_mirror)
    rm -rf --one-file-system "$dir"
    mkdir -p "$dir"
    debootstrap --variant=minbase "$suite" "$dir" "$mirror" >"$dir.log" 2>&1 || { tail -n 20 "$dir.log"; return 1; }
    cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"
    rm -f "$dir/etc/apt/sources.list"
    printf 'deb %s %s main\n' "$mirror" "$suite" >"$dir/etc/apt/sources.list"
    if [ "$suite" = bookworm ] && [ -f /etc/apt/sources.list.d/debian.sources ]; then
        cp /etc/apt/sources.list.d/debian.sources "$dir/etc/apt/sources.list.d/"
        rm "$dir/etc/apt/sources.list"
    fi
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
    chroot_run "$dir" apt-get update -q >>"$dir.log" 2>&1
}

chroot_run() { # DIR COMMAND...
    local dir=$1
    shift
    chroot "$dir" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" no_proxy="${no_proxy-}" "$@"
}

chroot_install() { # DIR PACKAGE...
    local dir=$1
    shift
    chroot_run "$dir" apt-get install -y -q --no-install-recommends "$@" >>"$dir.log" 2>&1 || { tail -n 20 "$dir.log"; return 1; }
}

chroot_end() { # DIR
    umount -R "$1/dev" "$1/sys" "$1/proc"
}
