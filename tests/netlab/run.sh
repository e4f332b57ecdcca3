#!/usr/bin/env bash
# Measures libaivo over an emulated link, in network namespaces of its own; no privileges needed where user namespaces
# are allowed.
#
#   tests/netlab/run.sh           the short version: below a minute
#   tests/netlab/run.sh --full    everything, a quarter of an hour; writes docs/accuracy.md
#   tests/netlab/run.sh --diagnose  only the diagnoses over links with faults, which the others end with: 10 s
#
# AIVO_BUILD names the build to use (build/dev). Exit: 0 within all bounds, 1 not, 77 skipped: not permitted here.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${AIVO_BUILD:-build/dev}")
lab=$build/tests/netlab/aivo_netlab
server=$build/server-stub/aivo-server
for program in "$lab" "$server"; do
    [ -x "$program" ] || { echo "tests/netlab/run.sh: build $program first" >&2; exit 1; }
done

skip() { echo "SKIPPED: no netlab: $1"; exit 77; }
command -v ip >/dev/null || skip "ip(8) is missing"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
unshare --user --map-root-user --net true 2>/dev/null || skip "user namespaces are not permitted"

case ${1:-} in
"") exec unshare --user --map-root-user --net "$lab" "$server" short ;;
--full) exec unshare --user --map-root-user --net "$lab" "$server" full "$PWD/docs/accuracy.md" ;;
--diagnose) exec unshare --user --map-root-user --net "$lab" "$server" diagnose ;;
*) echo "tests/netlab/run.sh: unknown option $1" >&2; exit 64 ;;
esac
