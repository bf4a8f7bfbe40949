#!/usr/bin/env bash
# Runs the model tests and a real program under every policy of the kernel that changes what memory costs. Changes
# settings of the whole machine and puts them back, so it wants root and is not part of script/test.
set -euo pipefail
cd "$(dirname "$0")/../.."
overcommit=/proc/sys/vm/overcommit_memory
huge=/sys/kernel/mm/transparent_hugepage/enabled
for file in "$overcommit" "$huge"; do
  [ -w "$file" ] || { echo "kernel_modes: $file cannot be written: run as root on a machine of your own" >&2; exit 2; }
done
was_overcommit=$(cat "$overcommit")
was_huge=$(sed 's/.*\[\(.*\)\].*/\1/' "$huge")
restore() {
  echo "$was_overcommit" >"$overcommit"
  echo "$was_huge" >"$huge"
}
trap restore EXIT

try() { # LABEL: everything that is run in one mode
  local library=$PWD/build/release/libfreehold.so
  build/release/tests/model_one_thread >/dev/null
  build/release/tests/model_threads >/dev/null
  LD_PRELOAD=$library python3 -c 'assert sum(len(str(i)) for i in [*range(300000)]) == 1688890'
  echo "ok   $1"
}
for mode in 0 1 2; do
  echo "$mode" >"$overcommit"
  try "vm.overcommit_memory=$mode"
done
echo "$was_overcommit" >"$overcommit"
for mode in always madvise never; do
  echo "$mode" >"$huge"
  try "transparent huge pages: $mode"
done
