#!/usr/bin/env bash
# Real programs, once without and once with the library in front; what they print and write must be the same.
#   tests/programs/run.sh [-l LIBRARY.so] [NAME ...]
# A program is a script NAME.sh beside this one: it runs in an empty folder, and its output and the files that it leaves in
# ./out are compared.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
library=$(cd "$here/../.." && pwd)/build/release/libfreehold.so
if [ "${1:-}" = -l ]; then
  library=$2
  shift 2
fi
names=("$@")
if [ ${#names[@]} = 0 ]; then
  for script in "$here"/*.sh; do
    name=$(basename "$script" .sh)
    [ "$name" = run ] || names+=("$name")
  done
fi
if ! LD_PRELOAD=$library cat /proc/self/maps 2>&1 | grep -q "$(basename "$library")"; then
  echo "FAIL the library is not in the program: $library"
  echo "0 passed, 1 failed"
  exit 1
fi
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

once() { # NAME SIDE [PRELOAD]
  local dir=$top/$1.$2
  mkdir -p "$dir/out"
  # The same path both times: programs write the name of their folder into what they make.
  ln -sfn "$dir" "$top/now"
  (
    cd "$top/now" || exit 1
    export HOME=$top/now LC_ALL=C TZ=UTC PATH=/usr/bin:/bin:/usr/local/bin PRELOAD=${3:-}
    timeout 120 bash -c '[ -z "$PRELOAD" ] || export LD_PRELOAD=$PRELOAD; exec bash "$0"' "$here/$1.sh"
  ) >"$dir/stdout" 2>"$dir/stderr"
  echo "status $?" >>"$dir/stdout"
}

passed=0
failed=0
for name in "${names[@]}"; do
  start=$SECONDS
  once "$name" plain
  once "$name" freehold "$library"
  a=$top/$name.plain b=$top/$name.freehold
  why=''
  cmp -s "$a/stdout" "$b/stdout" || why="output differs: $(diff "$a/stdout" "$b/stdout" | head -n 5)"
  diff -rq "$a/out" "$b/out" >/dev/null || why="files differ: $(diff -rq "$a/out" "$b/out" | head -n 5)"
  grep -q '^status 0$' "$a/stdout" || why="fails without the library: $(tail -n 5 "$a/stderr")"
  grep -q '^freehold:' "$b/stderr" && why="$(grep '^freehold:' "$b/stderr" | head -n 3)"
  if [ -z "$why" ]; then
    passed=$((passed + 1))
    echo "ok   $name ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    echo "FAIL $name: $why"
    tail -n 5 "$b/stderr"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
