#!/usr/bin/env bash
# Installs what the tests need, builds the project and runs every test. See tests/README.md.
#
#   tests/run.sh            everything but what only a long run shows: about fifteen minutes
#   tests/run.sh --quick    one build, and what its tests show in a minute: under two minutes
#   tests/run.sh --full     the long tests as well
#
# The last line is "N passed, N failed, N skipped"; the reason of each skip stands above it.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD

# A skip whose text holds none of these is a failure: a test that silently stops running is no test.
allowed_skips=(
    "no IPv6"              # the machine has no IPv6 loopback
    "no network namespace" # none can be made: in a chroot, or where user namespaces are forbidden
    "no unprivileged user" # the same
    "no netlab"            # the laboratory: neither user namespaces nor TUN devices here
    "no systemd"           # none can be booted: without root, or where name spaces are forbidden
)

mode=default
jobs=$(nproc)
# Most tests wait most of the time, for a peer or for a time-out: more of them run at once than there are processors.
# Those that calculate take two places (PROCESSORS in the CMake files).
at_once=$((jobs * 2))
install=1
for arg in "$@"; do
    case $arg in
    --quick) mode=quick ;;
    --full) mode=full ;;
    --no-install) install=0 ;;
    --help | -h)
        sed -n '2,9s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        echo "tests/run.sh: unknown option $arg (see --help)" >&2
        exit 64
        ;;
    esac
done

[ $mode != quick ] || at_once=$((jobs * 3)) # there is little that calculates

logs=$root/build/test-logs
mkdir -p "$logs"
results=$logs/results
: >"$results"
started=$SECONDS

say() { printf '[%3ds] %s\n' $((SECONDS - started)) "$*"; }

# record STAGE PASSED FAILED SKIPPED; the lines of skips and failures come on standard input.
record() {
    printf '%s %d %d %d\n' "$1" "$2" "$3" "$4" >>"$results"
    sed "s|^|$1: |" >>"$results.lines"
    say "$1: $2 passed, $3 failed, $4 skipped"
}
: >"$results.lines"

# check NAME COMMAND...: one test whose whole result is the exit status.
check() {
    local name=$1 log
    shift
    log=$logs/$name.log
    if "$@" >"$log" 2>&1; then
        record "$name" 1 0 0 </dev/null
    else
        tail -n 40 "$log" | sed 's/^/    /'
        record "$name" 0 1 0 <<<"FAILED (see $log)"
        return 1
    fi
}

# ---------------------------------------------------------------- packages

packages=(build-essential g++ cmake ninja-build pkg-config git ca-certificates curl jq openssl procps iproute2 util-linux
    libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libssl-dev libsqlite3-dev libcjson-dev libjwt-dev libcmocka-dev
    libhiredis-dev libmsgpack-dev libcurl4-openssl-dev redis-server nginx-light
    libgtk-4-dev libadwaita-1-dev libsecret-1-dev adwaita-icon-theme librsvg2-common fonts-dejavu-core
    libglib2.0-dev xvfb dbus-x11 at-spi2-core gir1.2-atspi-2.0 python3-gi appstream desktop-file-utils libglib2.0-bin locales
    clang clang-format libclang-rt-14-dev shellcheck prometheus sqlite3 tinyproxy mandoc man-db zsh fish
    doxygen codespell abigail-tools systemd)

missing_packages() {
    local p
    for p in "${packages[@]}"; do
        dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || echo "$p"
    done
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
}

install_packages() {
    local as_root=() missing
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$logs/apt.log" 2>&1; then
        tail -n 20 "$logs/apt.log"
        return 1
    fi
    say "installed"
}

install_npm() { # DIR: what its lock file names, once for each content of the lock file
    local dir=$1 stamp=$1/node_modules/.installed-lock
    cmp -s "$dir/package-lock.json" "$stamp" && return 0
    (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error) && cp "$dir/package-lock.json" "$stamp"
}

# ------------------------------------------------------------------ checks

shell_scripts() { git ls-files '*.sh' .ci/run | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

check_shell() { shell_scripts | xargs shellcheck -x; }

# All but the echo that the measurements are held against: it stays as it is, to the byte.
check_format() { git ls-files '*.c' '*.h' | grep -v '/lws_echo\.c$' | xargs clang-format --dry-run -Werror; }

# Functions fit a screen, files a sitting.
check_sizes() {
    local long
    long=$(git ls-files '*.c' '*.h' | grep -v '/lws_echo\.c$' | xargs awk -f tests/support/sizes.awk)
    [ -z "$long" ] || { echo "$long"; return 1; }
}

# Words that are no words, in documents, comments and texts. tests/docs/spelling.txt has what only looks wrong.
check_spelling() {
    git ls-files '*.md' '*.h' '*.c' '*.mjs' '*.sh' '*.py' '*.txt' '*.ui' '*.in' '*.1' 'packaging/*' |
        grep -vE '/lws_echo\.c$|^tests/docs/spelling\.txt$|\.(png|svg)$' | while read -r f; do [ -f "$f" ] && echo "$f"; done |
        xargs codespell --ignore-words=tests/docs/spelling.txt
}

# The API's reference: every public function, type and member is described, and every description fits.
check_reference() { doxygen docs/Doxyfile; }

# Lock files say what and with which digest, never from which address: that is the machine's to choose.
check_locks() {
    local bad
    bad=$(git ls-files '*package-lock.json' | xargs -r grep -l '"resolved"')
    [ -z "$bad" ] || { echo "addresses in: $bad"; return 1; }
}

# ------------------------------------------------------------------- tests

build() { # PRESET
    check "build-$1" bash -c "cmake --preset $1 && cmake --build --preset $1 -j$jobs"
}

unit() { # PRESET: CTest, with the tests inside each cmocka program counted
    local preset=$1 dir=$root/build/$1 log=$logs/ctest-$1.log counts without=()
    [ $mode != quick ] || without=(-LE '^slow$')
    rm -f "$dir/Testing/Temporary/LastTest.log"
    ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=1} UBSAN_OPTIONS=print_stacktrace=1 \
        TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1} \
        ctest --test-dir "$dir" -j"$at_once" --output-on-failure --no-tests=error "${without[@]}" >"$log" 2>&1
    local status=$?
    [ $status -eq 0 ] || tail -n 100 "$log" | sed 's/^/    /'
    counts=$(awk -f tests/support/ctest-count.awk "$dir/Testing/Temporary/LastTest.log" 2>"$log.lines")
    # shellcheck disable=SC2086  # three numbers
    set -- ${counts:-0 1 0}
    [ $status -eq 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1 "$3"
    record "unit-$preset" "$1" "$2" "$3" <"$log.lines"
}

# tap NAME LOG: counts what node's test runner said, in TAP.
tap() {
    local name=$1 log=$2 passed failed skipped
    passed=$(awk '/^# pass /{n = $3} END {print n + 0}' "$log")
    failed=$(awk '/^# fail /{n = $3} /^# cancelled /{c = $3} END {print n + c}' "$log")
    skipped=$(awk '/^# skipped /{n = $3} END {print n + 0}' "$log")
    [ $((passed + failed)) -gt 0 ] || failed=1
    if [ "$failed" -gt 0 ]; then
        grep -E -A 25 '^ *not ok ' "$log" | head -n 150 | sed 's/^/    /'
    fi
    grep -E '^ *(not ok|ok .*# SKIP)' "$log" | sed 's/^ *//; s/^not ok [0-9]* -/FAILED/; s/^ok [0-9]* - //' |
        record "$name" "$passed" "$failed" "$skipped"
}

# What --quick runs of them: each way to connect, and everything that is sent over it, in both directions.
quick_end_to_end=(connect ack binary auth proxy websocket once reconnect recovery tls server-events server-http)

end_to_end() { # PRESET
    local log=$logs/e2e-$1.log files=(tests/e2e/*.test.mjs)
    [ $mode != quick ] || files=("${quick_end_to_end[@]/#/tests/e2e/}")
    [ $mode != quick ] || files=("${files[@]/%/.test.mjs}")
    AIVO_BUILD=$root/build/$1 AIVO_LONG=$([ $mode = full ] && echo 1) \
        node --test --test-concurrency="$at_once" --test-reporter=tap "${files[@]}" >"$log" 2>&1
    tap "e2e-$1" "$log"
}

cli() { # PRESET: tests as data, read by tests/cli/run.mjs; its last line is "N passed, N failed, N skipped"
    [ -f tests/cli/run.mjs ] || return 0
    local log=$logs/cli-$1.log line
    AIVO_BUILD=$root/build/$1 AIVO_PARALLEL=$((jobs * 3)) node tests/cli/run.mjs >"$log" 2>&1
    line=$(grep -oE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$log" | tail -n 1)
    # shellcheck disable=SC2086  # the numbers of "N passed, N failed, N skipped"
    set -- "$1" ${line//[^0-9 ]/}
    if [ $# -lt 3 ] || [ "$3" -gt 0 ]; then
        grep -v '^ok ' "$log" | tail -n 60 | sed 's/^/    /'
    fi
    grep -E '^(FAILED|skip) ' "$log" | record "cli-$1" "${2:-0}" "${3:-1}" "${4:-0}"
}

# Each says "N passed, N failed, N skipped" at its end: man pages, completions and docs/cli.md against what the programs say of
# themselves; whether anything is left out; the commands and links of every document.
documents() { # PRESET
    local script
    for script in tests/cli/docs.mjs tests/docs/complete.mjs tests/docs/run.mjs; do
        document "$script" "$1" &
    done
    wait
}

document() { # SCRIPT PRESET
    local name log line
    name=documents-$(basename "$1" .mjs)
    log=$logs/$name.log
    AIVO_BUILD=$root/build/$2 node "$1" >"$log" 2>&1
    line=$(grep -oE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$log" | tail -n 1)
    # shellcheck disable=SC2086  # the numbers of "N passed, N failed, N skipped"
    set -- ${line//[^0-9 ]/}
    [ "${2:-1}" -eq 0 ] || grep -A 25 FAILED "$log" | head -n 80 | sed 's/^/    /'
    grep -E 'FAILED|^skip ' "$log" | record "$name" "${1:-0}" "${2:-1}" "${3:-0}"
}

prometheus() { # PRESET
    [ -f tests/e2e/prometheus.sh ] || return 0
    check prometheus env AIVO_BUILD="$root/build/$1" bash tests/e2e/prometheus.sh
}

dashboard() { # PRESET: every query of the Grafana dashboard, and the alert rules
    check dashboard env AIVO_BUILD="$root/build/$1" bash tests/e2e/dashboard.sh
}

netlab() { # PRESET: against real TCP over an emulated link; its own bounds decide. 77: not permitted here
    [ -x tests/netlab/run.sh ] || return 0
    local log=$logs/netlab.log status
    for _ in 1 2; do # the bounds are statistical, and a busy machine is no quiet link: what fails twice has failed
        AIVO_BUILD=$root/build/$1 timeout 120 tests/netlab/run.sh >"$log" 2>&1
        status=$?
        [ $status -eq 1 ] || break
    done
    if [ $status -eq 77 ]; then
        grep SKIPPED "$log" | record netlab 0 0 1
        return 0
    fi
    [ $status -eq 0 ] || tail -n 60 "$log" | sed 's/^/    /'
    local failed
    failed=$(grep -c '^  FAIL' "$log")
    [ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    grep '^  FAIL' "$log" | sed 's/^ *FAIL/FAILED/' |
        record netlab "$(grep -c '^  ok' "$log")" "$failed" 0
}

units() { # PRESET: the service and its socket under a real systemd. 77: none can be booted here
    local log=$logs/systemd.log status
    AIVO_BUILD=$root/build/$1 tests/systemd/run.sh >"$log" 2>&1
    status=$?
    if [ $status -eq 77 ]; then
        grep SKIPPED "$log" | record systemd 0 0 1
        return 0
    fi
    [ $status -eq 0 ] || tail -n 60 "$log" | sed 's/^/    /'
    local failed
    failed=$(grep -c '^  FAIL' "$log")
    [ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    grep '^  FAIL' "$log" | sed 's/^ *FAIL/FAILED/' | record systemd "$(grep -c '^  ok' "$log")" "$failed" 0
}

# ------------------------------------------------------------------- order

if [ $install -eq 1 ]; then
    install_packages || { say "the packages cannot be installed"; exit 1; }
fi
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache

say "checks, beside the first build"
{
    check npm-e2e install_npm tests/e2e
    check shellcheck check_shell
    check clang-format check_format
    check sizes check_sizes
    check lock-files check_locks
    check spelling check_spelling
    check api-reference check_reference
} &

presets=(dev asan tsan)
[ $mode != quick ] || presets=(dev)
for preset in "${presets[@]}"; do
    say "$preset: building"
    build "$preset" || continue
    wait # for the checks
    say "$preset: unit and wire tests"
    unit "$preset"
    say "$preset: command line and end to end"
    if [ $mode = quick ]; then
        documents "$preset" &
    fi
    cli "$preset"
    end_to_end "$preset"
    wait
    if [ "$preset" != dev ] || [ $mode = quick ]; then continue; fi
    documents "$preset"
    prometheus "$preset"
    dashboard "$preset"
    units "$preset"
    netlab "$preset"
done

# Clang's warnings are errors too, and every fuzz target runs for a moment beyond its seeds.
if [ $mode != quick ]; then
    say "clang and fuzzing"
    check fuzz bash tests/fuzz/run.sh --seconds "$([ $mode = full ] && echo 120 || echo 3)"
fi

# ----------------------------------------------------------------- account

passed=$(awk '{n += $2} END {print n + 0}' "$results")
failed=$(awk '{n += $3} END {print n + 0}' "$results")
skipped=$(awk '{n += $4} END {print n + 0}' "$results")
unexpected=0
while IFS= read -r line; do
    echo "$line"
    case $line in *FAILED*) continue ;; esac
    known=0
    for reason in "${allowed_skips[@]}"; do
        case $line in *"$reason"*) known=1 ;; esac
    done
    if [ $known -eq 0 ]; then
        echo "    that skip is not on the list in tests/run.sh: it counts as failed"
        unexpected=$((unexpected + 1))
    fi
done <"$results.lines"
failed=$((failed + unexpected))
skipped=$((skipped > unexpected ? skipped - unexpected : 0))
say "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
