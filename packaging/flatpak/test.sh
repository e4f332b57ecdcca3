#!/usr/bin/env bash
# Proves the flatpak without the outside: a stand-in for GNOME's runtime out of Debian 13's packages, a build in an empty
# network name space, a bundle, its installation by an ordinary user, the window, and `aivo diagnose` from inside the
# sandbox against a server outside, with the network permission and without.
#
#   packaging/flatpak/test.sh [runtime] [sources] [app]     without a word: all three. Needs root; about six minutes
#
# runtime and sources take packages from Debian's mirror; app is offline. Everything is in build/flatpak (1.5 GB): the
# bundle, the window as window.png, the logs. What it cannot prove: the exact packages of the real runtime, and portals.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
id=io.github.artpromedia.AivoMonitor
manifest=packaging/flatpak/$id.json
work=$source/build/flatpak
suite=trixie # GTK 4.18 and libadwaita 1.7, as in GNOME 48
branch=48
user=aivo-flatpak
repo=$work/runtime

platform=(ca-certificates libgtk-4-1 libgtk-4-bin libadwaita-1-0 adwaita-icon-theme hicolor-icon-theme fonts-cantarell
    fonts-dejavu-core fontconfig shared-mime-info gsettings-desktop-schemas dconf-gsettings-backend libglib2.0-bin
    libsqlite3-0 openssl zlib1g libsecret-1-0 glib-networking librsvg2-common dbus-bin)
sdk=(gcc g++ cmake ninja-build make pkgconf gettext patch libgtk-4-dev libadwaita-1-dev libssl-dev libsqlite3-dev
    libsecret-1-dev zlib1g-dev appstream appstream-util desktop-file-utils)

say() { printf '[flatpak %4ds] %s\n' $SECONDS "$*"; }
fail() {
    say "FAILED: $*"
    exit 1
}

need() {
    local p missing=()
    for p in mmdebstrap flatpak flatpak-builder ostree bubblewrap elfutils patch python3 dbus xvfb xdotool imagemagick curl; do
        dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

# ---------------------------------------------------------------- runtime

sources_list() { # this machine's own mirror, with the other release
    . tests/support/chroot.sh
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(chroot_mirror)" $suite
    printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(chroot_mirror)" $suite
}

# A runtime is a /usr, with the configuration inside it.
export_runtime() { # CHROOT NAME
    local tree=$work/tree-$2
    rm -rf "$tree"
    mkdir -p "$tree"
    cp -al "$1/usr" "$tree/usr"
    rm -rf "$tree/usr/etc" "$tree"/usr/share/{doc,man,info,lintian}
    cp -a "$1/etc" "$tree/usr/etc"
    (cd "$tree/usr/etc" && rm -rf apt hostname resolv.conf machine-id shadow* gshadow* passwd- group-)
    : >"$tree/usr/etc/ld.so.conf"                    # empty, so that flatpak writes one that has /app/lib
    ln -sf ../sbin/ldconfig "$tree/usr/bin/ldconfig" # where flatpak looks for it
    printf '[Runtime]\nname=%s\nruntime=org.gnome.Platform/%s/%s\nsdk=org.gnome.Sdk/%s/%s\n' \
        "$2" "$arch" $branch "$arch" $branch >"$tree/metadata"
    flatpak build-export --runtime --files=usr --disable-sandbox "$repo" "$tree" $branch >/dev/null
    say "$2: $(du -sh "$tree/usr" | cut -f1)"
    rm -rf "$tree"
}

make_runtime() {
    local root=$work/root joined
    joined=$(IFS=,; echo "${platform[*]}")
    rm -rf "$repo" "$root"
    ostree init --repo="$repo" --mode=bare-user-only
    ostree config --repo="$repo" set core.fsync false
    sources_list >"$work/$suite.list"
    mmdebstrap --quiet --mode=root --variant=minbase --format=directory --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*/*' \
        --include="$joined" --skip=cleanup/apt $suite "$root" "$work/$suite.list"
    export_runtime "$root" org.gnome.Platform
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Options::=--force-unsafe-io "${sdk[@]}" >"$work/sdk.log" 2>&1 || { tail "$work/sdk.log"; fail "the SDK's packages"; }
    export_runtime "$root" org.gnome.Sdk
    rm -rf --one-file-system "$root"
    flatpak build-update-repo "$repo" >/dev/null
}

# ---------------------------------------------------------------- sources

# The archives that the manifest names are byte for byte Debian's .orig.tar.gz: they are found by their digests.
get_sources() {
    local lists=$work/lists options
    mkdir -p "$lists/partial" "$work/orig"
    sources_list >"$work/$suite.list"
    options=(-qq -o "Dir::Etc::sourcelist=$work/$suite.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$lists" -o APT::Sandbox::User=root)
    (cd "$work/orig" && apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only --tar-only cjson libwebsockets) \
        >"$work/sources.log" 2>&1 || { tail "$work/sources.log"; fail "the sources"; }
    python3 - "$manifest" "$work" <<'P'
import glob, hashlib, json, os, shutil, sys
manifest, work = sys.argv[1:]
have = {hashlib.sha256(open(f, "rb").read()).hexdigest(): f for f in glob.glob(work + "/orig/*.orig.tar.*")}
for module in json.load(open(manifest))["modules"]:
    for source in module["sources"]:
        if source["type"] != "archive":
            continue
        if source["sha256"] not in have:
            sys.exit(f"Debian has no archive with the digest of {source['url']}")
        folder = f"{work}/extra/downloads/{source['sha256']}"
        os.makedirs(folder, exist_ok=True)
        shutil.copy(have[source["sha256"]], folder + "/" + os.path.basename(source["url"]))
P
    say "sources: $(find "$work/extra" -type f | wc -l) archives"
}

# ---------------------------------------------------------------- app

# As the ordinary user, in a folder of his own, with what he finds there: the checkout, the runtime, the archives.
make_app() {
    id $user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $user
    local home out
    home=$(getent passwd $user | cut -d: -f6)
    out=$home/flatpak-test
    rm -rf "$out"
    mkdir -p "$out/src" "$work"
    if git rev-parse --git-dir >/dev/null 2>&1; then git archive HEAD; else tar -c --exclude=./build .; fi | tar -x -C "$out/src"
    cp -r "$work/extra" "$out/extra"
    cp -r "$repo" "$out/runtime"
    cp "$server" "$out/aivo-server"
    chown -R $user: "$out"
    local status=0
    su $user -c "cd '$out' && exec src/packaging/flatpak/test.sh as-user" || status=$?
    cp "$out"/*.png "$out"/*.flatpak "$out"/*.log "$work/" 2>/dev/null || true
    [ $status -eq 0 ] || fail "see the logs in $work"
    say "bundle $work/$id.flatpak, window $work/window.png"
}

as_user() {
    cd ..
    export HOME=$PWD/home XDG_RUNTIME_DIR=$PWD/run FLATPAK_USER_DIR=$PWD/flatpak
    mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
    chmod 700 "$XDG_RUNTIME_DIR"
    unset LD_LIBRARY_PATH LIBRARY_PATH
    flatpak remote-add --user --if-not-exists --no-gpg-verify standin "$PWD/runtime"
    flatpak install --user -y --noninteractive standin org.gnome.Platform//$branch org.gnome.Sdk//$branch >install.log 2>&1
    say "the runtime is installed"
    unshare -rn flatpak-builder --user --disable-rofiles-fuse --disable-download --extra-sources="$PWD/extra" \
        --state-dir="$PWD/state" --repo="$PWD/repo" --default-branch=stable --force-clean "$PWD/build" \
        "src/$manifest" >build.log 2>&1 || { tail -n 40 build.log; fail "the build"; }
    say "built, with no network"
    flatpak build-bundle repo $id.flatpak $id stable
    say "bundled: $(du -h $id.flatpak | cut -f1)"
    # A system bus has to exist for an ordinary user to install a bundle: the session's will do.
    # shellcheck disable=SC2016  # the session expands it
    dbus-run-session -- bash -c 'DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS exec src/packaging/flatpak/test.sh in-session' 2>session.log ||
        { tail -n 30 session.log; fail "the session"; }
}

in_session() {
    cd ..
    export HOME=$PWD/home XDG_RUNTIME_DIR=$PWD/run FLATPAK_USER_DIR=$PWD/flatpak
    local url secret=aivo-development-secret-do-not-use-in-production display=:77 status tries=0
    flatpak install --user -y --noninteractive "./$id.flatpak" >>install.log 2>&1
    say "installed, with these permissions: $(flatpak info --show-permissions $id | grep -E '^(shared|sockets|devices)=' | tr '\n' ' ')"

    ./aivo-server --port 0 --env /dev/null >server.log 2>&1 &
    local server_pid=$!
    Xvfb $display -screen 0 1100x800x24 -nolisten tcp >/dev/null 2>&1 &
    local display_pid=$!
    # shellcheck disable=SC2064  # the ids as they are now
    trap "flatpak kill $id 2>/dev/null || true; kill $server_pid $display_pid 2>/dev/null || true" EXIT
    until url=$(sed -n 's/^listening on //p' server.log) && [ -n "$url" ]; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || fail "the server did not start"
        sleep 0.2
    done

    status=0
    flatpak run --command=aivo $id diagnose "$url" --token-secret $secret --user u >diagnose.log 2>&1 || status=$?
    [ $status -eq 0 ] || { cat diagnose.log; fail "aivo diagnose inside ends with $status"; }
    say "aivo diagnose from inside: $(tail -n 1 diagnose.log)"
    status=0
    flatpak run --unshare=network --command=aivo $id diagnose "$url" --token-secret $secret --user u >refused.log 2>&1 || status=$?
    [ $status -eq 2 ] || { cat refused.log; fail "without the network permission aivo diagnose ends with $status, not 2"; }
    say "without the network permission: no connection"

    export DISPLAY=$display
    flatpak run $id --url "$url" >window.log 2>&1 &
    tries=0
    until xdotool search --onlyvisible --class aivo >/dev/null 2>&1 || xdotool search --onlyvisible --name Aivo >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 80 ] || { cat window.log; fail "no window"; }
        sleep 0.25
    done
    tries=0
    until curl -fs "$url/metrics/prometheus" | grep -q '^websocket_connections_total 1$'; do
        tries=$((tries + 1))
        [ $tries -lt 80 ] || { cat window.log; import -window root window.png; fail "the window is there, but connects to nothing"; }
        sleep 0.25
    done
    sleep 6 # until the chart has a few samples
    import -window root window.png
    flatpak ps --columns=application | grep -q $id
    say "the window is there, connected"
}

case ${1-} in
as-user) as_user; exit ;;
in-session) in_session; exit ;;
esac
steps=("$@")
[ $# -gt 0 ] || steps=(runtime sources app)
[ "$(id -u)" -eq 0 ] || { echo "packaging/flatpak/test.sh: needs root" >&2; exit 77; }
need
arch=$(flatpak --default-arch)
mkdir -p "$work"
for step in "${steps[@]}"; do
    case $step in
    runtime) make_runtime ;;
    sources) get_sources ;;
    app)
        server=$source/build/release/server-stub/aivo-server
        [ -x "$server" ] || { cmake --preset release >/dev/null && cmake --build --preset release --target aivo-server >/dev/null; }
        make_app
        ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' packaging/flatpak/test.sh ;;
    *) echo "packaging/flatpak/test.sh: unknown step '$step' (see --help)" >&2; exit 64 ;;
    esac
done
