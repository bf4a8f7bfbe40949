#!/usr/bin/env bash
# The command as a user meets it: run.sh FREEHOLD
set -uo pipefail
freehold=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
is() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || { echo "$1: '$2' instead of '$3'" >&2; failed=1; }
}
has() { # WHAT FILE PATTERN
  grep -q -- "$3" "$2" || { echo "$1: no '$3' in:" >&2; head -n 20 "$2" >&2; failed=1; }
}
run() { "$freehold" run "$@"; }

run -- bash -c 'echo out; exit 7' >"$dir/out" 2>"$dir/err"
is 'exit status' $? 7
is 'standard output' "$(cat "$dir/out")" out
has 'report' "$dir/err" "the program's blocks"
has 'report' "$dir/err" 'arenas and pagemap, by the kernel'
run -- ls / >/dev/null 2>"$dir/err"
has 'report of a program that closes standard error' "$dir/err" 'whole process'
run -- sh -c 'kill -TERM $$' 2>/dev/null
is 'status of a program that a signal ended' $? 143
run -- "$dir/not-there" 2>"$dir/err"
is 'status when there is no such program' $? 127
has 'what is said then' "$dir/err" "not-there: No such file"
run >/dev/null 2>"$dir/err"
is 'status without a program' $? 2
has 'usage' "$dir/err" '^usage: freehold run'

run --report "$dir/report.json" -- bash -c 'exit 3'
is 'status with --report' $? 3
python3 -m json.tool "$dir/report.json" >/dev/null || { echo 'the report is not JSON' >&2; failed=1; }
run --json -- ls / >/dev/null 2>"$dir/json"
is 'status with --json' $? 0
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["heaps"] == 1' "$dir/json" || failed=1

"$freehold" run --json -- sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done' >"$dir/ready" 2>/dev/null &
pid=$!
for ((i = 0; i < 500; i++)); do [ -s "$dir/ready" ] && break; sleep 0.02; done
kill -TERM "$pid"
wait "$pid"
is 'status when the command is told to stop' $? 5

FREEHOLD_RETAIN=25 "$freehold" options >"$dir/options"
for setting in STATS RETAIN LIMIT HARDEN; do
  has 'options' "$dir/options" "FREEHOLD_$setting"
done
has 'value now' "$dir/options" 'RETAIN.*25'
FREEHOLD_RETAIN=much LD_PRELOAD=$(dirname "$freehold")/libfreehold.so /bin/true 2>"$dir/err"
is 'lines about an unreadable value' "$(grep -c FREEHOLD_RETAIN "$dir/err")" 1
"$freehold" --version | grep -q '^freehold [0-9]' || { echo '--version says nothing' >&2; failed=1; }
"$freehold" nothing 2>"$dir/err"
is 'status of an unknown command' $? 2
exit $failed
