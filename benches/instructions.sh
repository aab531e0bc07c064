#!/usr/bin/env bash
# Instructions per event: `bash benches/instructions.sh` for the bare loop and the gate cluster,
# `bash benches/instructions.sh growth` for clusters of several sizes.
#
# Valgrind counts what the release build executes, so the machine's moods have no part in it. Each
# figure is the difference of a run of many events and a run of few: the start is out of it.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 2; }

program_of() {
    cargo bench --no-run --bench "$1" --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1
}

# Prints "instructions events" of a command that prints its events.
count() {
    local log events
    log=$(mktemp)
    events=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$log" "$@")
    echo "$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log") $events"
    rm -f "$log"
}

# Prints a row: its name, then the command without and with its two amounts.
row() {
    local name=$1 few=$2 many=$3
    shift 3
    printf '%s %s %s\n' "$name" "$(count "$@" "$few")" "$(count "$@" "$many")" |
        awk '{ printf "%-24s %9.0f instructions per event\n", $1, ($4 - $2) / ($5 - $3) }'
}

if [ "${1:-gate}" = growth ]; then
    growth=$(program_of growth)
    for case in brokers-{3,30,300,1000} brokers-{3,1000}+consumer; do
        row "$case" 2 4 "$growth" --once "$case"
    done
    for case in partitions-{10,100,1000,10000} partitions-{10,10000}+consumer; do
        row "$case" 5 15 "$growth" --once "$case"
    done
else
    engine=$(program_of engine)
    row bare 100000 1100000 "$engine" --count bare
    row gate-unchecked 2 12 "$engine" --count gate-unchecked
    row gate-checked 2 12 "$engine" --count gate-checked
    row gate 2 12 "$engine" --count gate
fi
