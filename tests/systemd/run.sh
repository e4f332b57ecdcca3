#!/usr/bin/env bash
# The units under a real systemd: boots one as process 1 of name spaces of its own, with the files of a Debian below it and
# nothing of it written to, and goes through steps.sh in there. Needs root (or sudo without a password).
#
#   AIVO_BUILD=build/dev tests/systemd/run.sh     this machine's own files, with the build installed over them
#   tests/systemd/run.sh --root DIR               a Debian in a folder, with the packages installed in it
#
# Each step is a line "  ok ..." or "  FAIL ...". Ends with 77 and a line "SKIPPED: ..." where it is not possible.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
build=$(realpath "${AIVO_BUILD:-$top/build/dev}")
lower=/
stage=${AIVO_SYSTEMD_STAGE:-outside}
skip() {
    echo "SKIPPED: no systemd: $*"
    exit 77
}
while [ $# -gt 0 ]; do
    case $1 in
    --root) lower=$(realpath "$2"); shift ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 64 ;;
    esac
    shift
done

# Outside: name spaces, and a folder that goes with them.
outside() {
    local work status=0
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || skip "it needs root"
        exec sudo -n AIVO_BUILD="$build" "$0" --root "$lower"
    fi
    [ -x "$lower/lib/systemd/systemd" ] || skip "$lower has none"
    unshare --mount --pid --fork --uts --ipc --net --cgroup true 2>/dev/null || skip "no name spaces can be made here"
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # this folder
    trap "rmdir '$work'" EXIT
    AIVO_SYSTEMD_STAGE=inside AIVO_SYSTEMD_WORK=$work AIVO_BUILD=$build timeout --kill-after=5 180 unshare --mount --pid --fork \
        --kill-child --uts --ipc --net --propagation private "$0" --root "$lower" </dev/null || status=$?
    # The groups of processes outlive them.
    AIVO_SYSTEMD_STAGE=sweep AIVO_SYSTEMD_WORK=$work unshare --mount --propagation private "$0" || true
    return $status
}

groups() { # where they are mounted in this stage
    mount -t tmpfs tmpfs "$AIVO_SYSTEMD_WORK"
    mkdir "$AIVO_SYSTEMD_WORK/cgroup"
    mount -t cgroup2 cgroup2 "$AIVO_SYSTEMD_WORK/cgroup"
}

sweep() {
    groups
    find "$AIVO_SYSTEMD_WORK/cgroup/$(basename "$AIVO_SYSTEMD_WORK")" -depth -type d -exec rmdir {} \;
}

inside() {
    groups 2>/dev/null || skip "no cgroup2 can be mounted"
    mkdir "$AIVO_SYSTEMD_WORK/cgroup/$(basename "$AIVO_SYSTEMD_WORK")" || skip "no group can be made"
    echo 0 >"$AIVO_SYSTEMD_WORK/cgroup/$(basename "$AIVO_SYSTEMD_WORK")/cgroup.procs" || skip "no group can be entered"
    AIVO_SYSTEMD_STAGE=boot exec unshare --cgroup "$0" --root "$lower"
}

# Its files: an overlay in memory, a /dev with what every program needs, and /sys and /proc/sys read-only as in any container.
files() { # ROOT
    local root=$1 name
    mkdir "$AIVO_SYSTEMD_WORK/upper" "$AIVO_SYSTEMD_WORK/scratch" "$root"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$AIVO_SYSTEMD_WORK/upper,workdir=$AIVO_SYSTEMD_WORK/scratch" "$root" ||
        skip "no overlay can be mounted on $lower"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for name in null zero full random urandom tty; do
        : >"$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
}

# What must not touch the machine, and what only takes time.
mask() { # ROOT
    local unit units=$1/etc/systemd/system
    mkdir -p "$units"
    for unit in systemd-{sysctl,modules-load,udevd,udev-trigger,udev-settle,binfmt,random-seed,remount-fs,pstore,timesyncd,networkd}.service \
        systemd-{resolved,hwdb-update,firstboot,machine-id-commit,update-utmp,logind}.service systemd-udevd-{control,kernel}.socket \
        kmod-static-nodes.service modprobe@.service timers.target paths.target proc-sys-fs-binfmt_misc.automount \
        {dev-hugepages,dev-mqueue,sys-kernel-debug,sys-kernel-tracing,sys-kernel-config,sys-fs-fuse-connections}.mount; do
        ln -sf /dev/null "$units/$unit"
    done
    printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$units/aivo-test.target"
    : >"$1/etc/fstab"
}

boot() {
    local root=$AIVO_SYSTEMD_WORK/root
    files "$root"
    mask "$root"
    ip link set lo up
    if [ "$lower" = / ]; then
        DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
        install -m 644 "$top"/packaging/systemd/aivo-server.* "$root/usr/lib/systemd/system/"
        mkdir -p "$root/etc/aivo"
        chroot "$root" ldconfig
    fi
    install -m 755 "$here/steps.sh" "$root/tmp/steps.sh"
    cd "$root" # the root itself is changed: in a chroot the unit could have no users of its own (PrivateUsers=)
    pivot_root . . || skip "the root cannot be changed here"
    umount -l .
    mount --make-rshared / # systemd expects it of who starts it in a container: credentials come to the service that way
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root /tmp/steps.sh &
    exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-audit_control,-audit_read,-audit_write,-syslog \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=aivo-test \
        /lib/systemd/systemd --system --unit=aivo-test.target >/dev/null 2>&1
}

"$stage"
