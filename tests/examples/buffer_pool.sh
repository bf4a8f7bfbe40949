#!/usr/bin/env bash
# The buffer pool plays its game, which checks itself after each frame: buffer_pool.sh BUFFER_POOL. Which hole "first" takes
# is no matter of taste, so that its report is buffer_pool.golden to the letter.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pool=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
fail() { echo "$*" >&2; failed=1; }

"$pool" 600 1 first >"$dir/got" || fail 'first: something is wrong'
diff "$here/buffer_pool.golden" "$dir/got" >&2 || fail 'differs from buffer_pool.golden'
grep -q 'free only in pieces' "$dir/got" && grep -q 'which no block has' "$dir/got" || fail 'no block for each reason'
for policy in good next best worst buddy; do
  for seed in 1 2; do
    "$pool" 600 "$seed" "$policy" >"$dir/got" || fail "$policy, seed $seed: something is wrong"
    tail -n 1 "$dir/got" | grep -q '^frame 603: 1 blocks and 0 of one buffer, 0 of 256 MiB used, largest 262144 KiB,' ||
      fail "$policy, seed $seed: not all was given back"
  done
done
"$pool" >"$dir/default" && "$pool" 600 1 good | diff - "$dir/default" >&2 || fail 'the defaults are not 600 1 good'

for arguments in 0 x '1 0' '1 1 middle' '1 1 good 1'; do
  # shellcheck disable=SC2086
  "$pool" $arguments >/dev/null 2>"$dir/err"
  [ $? = 2 ] && [ "$(wc -l <"$dir/err")" = 1 ] || fail "buffer_pool $arguments: not refused in one line"
done
"$pool" 60 >/dev/full && fail 'a full disk goes unnoticed'
exit $failed
