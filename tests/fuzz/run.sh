#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for a while from its corpus.
#   tests/fuzz/run.sh [--seconds N] [TARGET...]      TARGET: json, engineio, socketio, ...; all without one
# Exit: 0 nothing found, 1 a target crashed, hung or leaked (its input is kept), 2 it could not be built or started.
# What is newly covered is kept in build/fuzz/corpus/TARGET, so that the next run goes on from there.
set -u
seconds=30
targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        seconds=${2-}
        shift
        ;;
    -h | --help)
        sed -n '2,5s/^# //p' "$0"
        exit 0
        ;;
    -*)
        echo "unknown option $1" >&2
        exit 2
        ;;
    *) targets+=("${1#fuzz_}") ;;
    esac
    shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "--seconds needs a number above 0" >&2; exit 2; }
cd "$(dirname "$0")/../.." || exit 2

mkdir -p build
if ! { cmake --preset fuzz && cmake --build --preset fuzz --target aivo_fuzzers; } >build/fuzz-build.log 2>&1; then
    tail -n 60 build/fuzz-build.log >&2
    exit 2
fi
bin=$PWD/build/fuzz/tests/fuzz
if [ ${#targets[@]} -eq 0 ]; then
    for program in "$bin"/fuzz_*; do
        [ -f "$program" ] && [ -x "$program" ] && targets+=("$(basename "$program" | sed 's/^fuzz_//')")
    done
fi

artifacts=$PWD/build/fuzz/artifacts
mkdir -p "$artifacts"
status=0
for target in "${targets[@]}"; do
    seeds=tests/fuzz/corpus/$target
    kept=build/fuzz/corpus/$target
    if [ ! -x "$bin/fuzz_$target" ] || [ ! -d "$seeds" ]; then
        echo "no target or no corpus: $target" >&2
        exit 2
    fi
    mkdir -p "$kept"
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1
        -artifact_prefix="$artifacts/$target-")
    [ -f "tests/fuzz/$target.dict" ] && options+=(-dict="tests/fuzz/$target.dict")
    log=build/fuzz/$target.log
    if "$bin/fuzz_$target" "${options[@]}" "$kept" "$seeds" >"$log" 2>&1; then
        echo "ok   $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in ${seconds} s," \
            "$(find "$kept" -type f | wc -l) kept"
    else
        status=1
        echo "FAIL $target: the log is $log"
        tail -n 40 "$log"
    fi
done
exit $status
