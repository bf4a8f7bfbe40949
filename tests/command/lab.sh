#!/usr/bin/env bash
# The lab as a student meets it: lab.sh FREEHOLD. Each line of lab.golden is the beginning of the SHA-256 of what the
# textbook's simulator prints, whether it lives (0) or dies (2), and its options. With OSTEP_MALLOC=malloc.py, a copy of the
# simulator, the same options are played against it too.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
freehold=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
has() { # WHAT FILE TEXT
  grep -qF -- "$3" "$2" || { echo "$1: no '$3' in:" >&2; head -n 20 "$2" >&2; failed=1; }
}

python3 - "$freehold" "$here/lab.golden" "${OSTEP_MALLOC:-}" <<'END' || failed=1
import hashlib, subprocess, sys
freehold, golden, simulator = sys.argv[1:]
wrong = 0
for line in open(golden):
    want, status, *options = line.split()
    got = subprocess.run([freehold, "lab"] + options, capture_output=True)
    same = hashlib.sha256(got.stdout).hexdigest().startswith(want) and got.returncode == int(status)
    said = got.stderr.count(b"\n") == (1 if status == "2" else 0)
    if simulator:
        same = same and got.stdout == subprocess.run(["python3", simulator] + options, capture_output=True).stdout
    if not (same and said):
        wrong += 1
        print("differs: freehold lab", *options, file=sys.stderr)
sys.exit(wrong != 0)
END

"$freehold" lab --story --no-color --svg "$dir/story.svg" >"$dir/story" || failed=1
diff "$here/lab.story" "$dir/story" >&2 || failed=1
"$freehold" lab --draw -A +10,+5,-0,+3 -H 2 -p GOOD --svg "$dir/draw.svg" >"$dir/draw" || failed=1
has draw "$dir/draw" 'head -> {address: 1005, length: 7} -> {address: 1019, length: 81} -> NULL'
"$freehold" lab --draw --color -A +10 | grep -q $'\033' || { echo 'no colour with --color' >&2; failed=1; }
"$freehold" lab --compare -n 500 -S 500 --svg "$dir/compare.svg" >"$dir/compare" || failed=1
for name in good 'first  address' 'next   back' 'best   size up' 'worst  front' buddy; do
  has compare "$dir/compare" "$name"
done
printf '+10\n# a comment\n+20\n-0\n+5\n' >"$dir/ops"
"$freehold" lab --compare --ops "$dir/ops" >"$dir/compare" || failed=1
has 'operations of a file' "$dir/compare" '4 operations'
python3 -c 'import sys, xml.dom.minidom as m; [m.parse(f) for f in sys.argv[1:]]' "$dir"/*.svg || failed=1

refused() { # WHAT OPTIONS...: one line, status 2
  local what=$1
  shift
  "$freehold" lab "$@" >/dev/null 2>"$dir/err"
  [ $? = 2 ] && [ "$(wc -l <"$dir/err")" = 1 ] || { echo "lab $*: not refused in one line" >&2; failed=1; }
  has "lab $*" "$dir/err" "$what"
}
refused 'no such option' --nothing
refused 'invalid integer value' -S ten
refused 'ambiguous' --s 1
refused 'ambiguous' --he 4
refused 'no such option' --dra
refused 'beyond 2^100' -S 10000000000000000000000000000000
refused 'beyond 2^100' -A +10000000000000000000000000000000
refused "'?3?x'" -S $'\t3\nx'
refused 'up to 2^60' --draw -S 10000000000000000000
refused 'requires 1 argument' -S
refused 'policy MIDDLE' -p MIDDLE
refused 'neither +SIZE nor -INDEX' --draw -A +10,-3
refused 'No such file' --compare --ops "$dir/not-there"
"$freehold" lab -c >/dev/full 2>"$dir/err"
[ $? = 1 ] || { echo 'a full disk goes unnoticed' >&2; failed=1; }
exit $failed
