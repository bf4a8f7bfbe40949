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
has 'draw: to scale' "$dir/draw" "1000 |==CCC.......==BBBBB$(printf '.%.0s' {1..81})| 1100"
"$freehold" lab --draw -A +10,+10,-0,-1,-1,+200 >"$dir/draw" || failed=1
has 'draw: entries side by side' "$dir/draw" '1000 |..........:.........:....'
has 'draw: given back twice' "$dir/draw" 'free(ptr[1]): FH_DOUBLE_FREE'
has 'draw: why not' "$dir/draw" 'alloc(200): FH_EXHAUSTED. Free in total: 100. Largest request that would fit: 80'
"$freehold" lab --draw -S 1000000 -A +1,+300000,+1 >"$dir/draw" || failed=1
has 'draw: one byte is seen' "$dir/draw" '|ABBBBBBBBBBBBBBBBBBBBBBBBBBBBBC....'

# Colours on a terminal, each allocation its own, and no wider than it is.
python3 - "$freehold" <<'END' || failed=1
import os, pty, re, sys, fcntl, struct, termios
def shown(columns, *options, **more):
    process, end = pty.fork()
    if process == 0:
        os.environ.update({"TERM": "xterm-256color", **more})
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(sys.argv[1], ["freehold", "lab", "--draw", *options])
    text = b""
    try:
        while piece := os.read(end, 65536):
            text += piece
    except OSError: # the other end is gone
        pass
    os.waitpid(process, 0)
    return text.decode()
text = shown(80, "-H", "2", "-A", ",".join(["+6"] * 8))
last = text.split("ptr[7]")[1]
assert len(set(re.findall("48;5;([0-9]+)m\033\\[38;5;16m", last))) == 8, text
assert len(set(re.findall("48;5;([0-9]+)m\033\\[38;5;231m=", last))) == 8, text
bars = [re.sub("\033\\[[0-9;]*m", "", line) for line in text.splitlines() if line.startswith("1000 |")]
assert len(bars) == 9 and all(len(line) <= 80 for line in bars), bars
assert "\033" not in shown(80, "-A", "+6", NO_COLOR="1") and "\033" not in shown(80, "-A", "+6", TERM="dumb")
END
"$freehold" lab --draw -A +10 >"$dir/draw" || failed=1
if grep -q $'\033' "$dir/draw"; then echo 'colour where there is no terminal' >&2; failed=1; fi
"$freehold" lab --draw --color -A +10 | grep -q $'\033' || { echo 'no colour with --color' >&2; failed=1; }

# The same addresses as the simulator's, for random operations too.
for options in '-n 300 -S 400 -r 30' '-n 300 -S 300 -H 4 -C -l INSERT-FRONT -s 3' '-n 300 -a 8 -C -p WORST -l SIZESORT- -s 4'; do
  read -r -a words <<<"$options"
  "$freehold" lab -c "${words[@]}" | sed -n 's/.*Alloc(.*) returned \(.*\) (.*/\1/p' | grep -v '^-1$\|^3$' >"$dir/textbook"
  "$freehold" lab --draw "${words[@]}" | sed -n 's/^ptr.* = alloc(.*) = \([0-9]*\)$/\1/p' >"$dir/draw"
  cmp "$dir/textbook" "$dir/draw" >&2 || { echo "lab --draw $options: other addresses" >&2; failed=1; }
  [ "$(wc -l <"$dir/draw")" -gt 40 ] || { echo "lab --draw $options: too few" >&2; failed=1; }
done

"$freehold" lab --compare -n 500 -S 500 --svg "$dir/compare.svg" >"$dir/compare" || failed=1
for name in good 'first  address' 'next   back' 'best   size up' 'worst  front' buddy; do
  has compare "$dir/compare" "$name"
done
[ "$(grep -c '<polyline' "$dir/compare.svg")" = 22 ] || { echo 'not every plan is in the plot' >&2; failed=1; }
"$freehold" lab --compare >"$dir/compare" || failed=1
has 'compare as it is' "$dir/compare" '2000 operations'
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
refused 'Is a directory' --draw --ops "$dir"
refused 'No such file' --compare --svg "$dir/not/there"
refused 'No such file' --draw --svg "$dir/not/there"
"$freehold" lab -c >/dev/full 2>"$dir/err"
[ $? = 1 ] || { echo 'a full disk goes unnoticed' >&2; failed=1; }
exit $failed
