#!/usr/bin/env bash
# Memory over a simulated day: resident at hour 24 at most 1.1 times what it was at hour 2.
#
# Runs scenarios/memory-day.json for two hours and for a day, with one seed: the first is, event for
# event, the beginning of the second, so the end of the short run shows the long one at hour 2. The
# day is held to its peak, which is at least what it has at hour 24. Takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release --quiet

# Runs for $1; prints the resident KiB shortly before the end, then the peak.
resident() {
    target/release/highwater run scenarios/memory-day.json --set "run.duration=$1" \
        --progress none >"$report" &
    local pid=$! now=0 before=0 peak=0 status
    while status=$(grep -E 'VmHWM|VmRSS' "/proc/$pid/status" 2>/dev/null) && [ -n "$status" ]; do
        # The last look may fall into the clean-up at the end: keep the one before it.
        before=$now
        now=$(awk '/VmRSS/ { print $2 }' <<<"$status")
        peak=$(awk '/VmHWM/ { print $2 }' <<<"$status")
        sleep 0.1
    done
    wait "$pid"
    echo "$before $peak"
}

report=$(mktemp)
trap 'rm -f "$report"' EXIT
read -r at_two _ < <(resident 2h)
echo "hour 2:  $at_two KiB resident"
started=$SECONDS
read -r at_end peak < <(resident 24h)
echo "hour 24: $at_end KiB resident, $peak KiB at most, after $((SECONDS - started)) s"
cat "$report"
[ "$at_two" -gt 0 ] || { echo 'the short run was over too soon to be looked at'; exit 1; }
if [ "$((peak * 10))" -gt "$((at_two * 11))" ]; then
    echo 'memory grows with simulated time'
    exit 1
fi
echo 'memory is flat'
