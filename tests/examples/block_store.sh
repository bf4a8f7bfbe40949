#!/usr/bin/env bash
# The block store as a command, of which each call is a process of its own: block_store.sh BLOCK_STORE.
set -uo pipefail
store=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0
fail() { echo "$*" >&2; failed=1; }
bytes() { head -c "$2" /dev/zero | tr '\0' "$1"; } # LETTER COUNT
map() { # WHAT PAGES NUMBERS: the two lines of map
  local want got
  want=$(printf '%s\n%s' "$2" "$3")
  got=$("$store" s map) || fail "map after $1"
  [ "$got" = "$want" ] || fail "map after $1: $got, not $want"
  [ "$(stat -c %s s)" = $((${#2} * 4096)) ] || fail "after $1 the file has $(stat -c %s s) bytes"
}
refused() { # STATUS TEXT ARGUMENTS...: in one line
  local status=$1 text=$2
  shift 2
  "$store" "$@" </dev/null >out 2>err
  [ $? = "$status" ] && [ ! -s out ] && [ "$(cat err)" = "$text" ] || fail "$*: '$(cat out err)' is not '$text'"
}
put() { bytes "$1" "$2" | "$store" s put "$1" || fail "put $1"; }

# First fit: each change writes a directory beside the old one, which becomes free then.
put a 9000
map 'put a' 00aaaD '6 pages of 4096 bytes: 6 used, 0 free in 0 holes, largest 0, fragmentation 0 %'
put b 1
map 'put b' 00aaa.bD '8 pages of 4096 bytes: 7 used, 1 free in 1 holes, largest 1, fragmentation 0 %'
put c 4096
map 'put c' 00aaacb.D '9 pages of 4096 bytes: 8 used, 1 free in 1 holes, largest 1, fragmentation 0 %'
put a 3
map 'put a again' 00...cba.D '10 pages of 4096 bytes: 6 used, 4 free in 2 holes, largest 3, fragmentation 25 %'
"$store" s del b || fail 'del b'
map 'del b' 00D..b.a '8 pages of 4096 bytes: 5 used, 3 free in 2 holes, largest 2, fragmentation 33 %'
put d 12289
map 'put d' 00.D.b.acccc '12 pages of 4096 bytes: 9 used, 3 free in 3 holes, largest 1, fragmentation 67 %'
[ "$("$store" s list)" = "$(printf '%10d  %s\n' 3 a 4096 c 12289 d)" ] || fail "list: $("$store" s list)"
bytes d 12289 | cmp - <("$store" s get d) || fail 'get d'
bytes c 4096 | cmp - <("$store" s get c) || fail 'get c'
refused 1 "block_store: s: no value 'b'" s get b
refused 1 "block_store: s: no value 'b'" s del b
for key in d c a; do
  "$store" s del $key || fail "del $key"
done
map 'all is deleted' 00 '2 pages of 4096 bytes: 2 used, 0 free in 0 holes, largest 0, fragmentation 0 %'

# What is refused, and leaves nothing behind.
refused 1 'block_store: none: No such file or directory' none get a
refused 1 'block_store: none: No such file or directory' none del a
[ ! -e none ] || fail 'a file was made for nothing'
refused 1 'block_store: no/where: No such file or directory' no/where put a
refused 1 'block_store: .: no regular file' . map
refused 1 'block_store: s: a key is 1 to 255 characters, none of them a control character' s put ''
refused 1 'block_store: s: a key is 1 to 255 characters, none of them a control character' s put $'a\nb'
refused 1 'block_store: s: a key is 1 to 255 characters, none of them a control character' s put "$(bytes k 256)"
echo longest | "$store" s put "$(bytes k 255)" || fail 'the longest key'
for arguments in '' s 's put' 's get' 's get a b' 's list a' 's dance'; do
  # shellcheck disable=SC2086
  "$store" $arguments </dev/null >out 2>err
  [ $? = 2 ] && [ ! -s out ] && grep -q '^usage: ' err || fail "block_store $arguments: no usage"
done
"$store" s list >/dev/full 2>err && fail 'a full disk goes unnoticed'
echo text >text
refused 1 'block_store: text: no block store, or both superblocks are damaged' text list
refused 1 'block_store: text: no block store, or both superblocks are damaged' text put a
[ "$(cat text)" = text ] || fail 'a file that is no store was written to'
printf x | dd of=s bs=1 seek=20 conv=notrunc status=none
[ "$("$store" s get "$(bytes k 255)")" = longest ] || fail 'one damaged superblock is too much'
printf x | dd of=s bs=1 seek=$((4096 + 20)) conv=notrunc status=none
refused 1 'block_store: s: no block store, or both superblocks are damaged' s list
(ulimit -f 64; trap '' XFSZ; bytes x 1000000 | "$store" full put x 2>err) && fail 'a file too large goes unnoticed'
[ "$(cat err)" = 'block_store: full: setting the length: File too large' ] || fail "too large: $(cat err)"
[ -z "$("$store" full list)" ] || fail 'what did not fit is there'

# Killed after any time; what was put with success is there, and every page is somebody's.
python3 - "$store" <<'END' || fail 'killed'
import os, random, re, subprocess, sys, time
store = sys.argv[1]
chance = random.Random(1)
known, killed = {}, 0
# It complains when it is killed at that, and takes longer than all the rest: store_*.c look for leaks.
env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

def run(*arguments, **more):
    return subprocess.run([store, "killed", *arguments], capture_output=True, check=True, env=env, **more).stdout

for round in range(70):
    key = chance.choice("abcdef")
    change = None if known.get(key) is not None and chance.random() < 0.3 else chance.randbytes(chance.choice([0, 5, 4096, 30000]))
    made = subprocess.Popen([store, "killed", "put" if change is not None else "del", key], stdin=subprocess.PIPE, env=env)
    try:
        made.stdin.write(change or b"")
        made.stdin.close()
    except BrokenPipeError:
        pass
    if chance.random() < 0.7:
        time.sleep(chance.random() ** 3 * 0.01)
        made.kill()
    status = made.wait()
    assert status in (0, -9), status
    killed += status != 0
    there = {}
    if round == 0 and status != 0:
        run("put", "first", input=b"")  # the file may not be there yet
        run("del", "first")
    for line in run("list").decode().splitlines():
        size, name = line.split()
        there[name] = run("get", name)
        assert len(there[name]) == int(size), line
    after = {**known, key: change}
    without = lambda values: {name: value for name, value in values.items() if value is not None}
    assert there == without(after) or (status != 0 and there == without(known)), (round, key, status)
    known = there
    pages, numbers = run("map").decode().splitlines()
    size, used, free = map(int, re.match(r"(\d+) pages of 4096 bytes: (\d+) used, (\d+) free", numbers).groups())
    assert size == len(pages) and free == pages.count(".") and used == size - free, numbers
    values = sum(-(-len(value) // 4096) for value in there.values())
    assert used == 2 + (len(there) > 0) + values, (pages, numbers)
assert 0 < killed < 70, killed
END
exit $failed
