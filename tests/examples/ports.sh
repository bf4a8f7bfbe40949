#!/usr/bin/env bash
# The port allocator answers each command of ports.golden ("> command") as it stands there: ports.sh PORTS.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ports=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
fail() { echo "$*" >&2; failed=1; }

# An unknown word behind each command shows where its answer ends.
python3 - "$ports" "$here/ports.golden" >"$dir/got" <<'END_OF_PLAY' || fail 'the commands were not all answered'
import subprocess, sys
ports, golden = sys.argv[1:]
commands = [line[2:].rstrip("\n") for line in open(golden) if line.startswith("> ")]
served = subprocess.Popen([ports, "-t", "10000-10019", "60", "20"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
for command in commands:
    print(">", command)
    if command == "quit":
        break
    served.stdin.write(command + "\n@\n")
    served.stdin.flush()
    while (line := served.stdout.readline()) not in ("not understood: @\n", ""):
        print(line, end="")
print(served.communicate("quit\nlease after 1\n")[0], end="")
sys.exit(served.returncode)
END_OF_PLAY
diff "$here/ports.golden" "$dir/got" >&2 || fail 'differs from ports.golden'

# The real clock: a lease of a second, no rest.
{ echo 'lease a 1'; sleep 1.2; echo 'lease b 1'; } | "$ports" 10000-10000 1 0 >"$dir/got"
printf '10000 leased to a for 1 s\n10000 of a expired\n10000 leased to b for 1 s\n' | diff - "$dir/got" >&2 || fail 'real clock'

# All ports, and a count larger than any.
printf 'lease all 65535\nlease more 1\nrelease 1\nlease again 65536\nlease again 65535\n' | "$ports" -t 1-65535 >"$dir/got"
printf '%s\n' '1-65535 leased to all for 3600 s' 'refused: only 0 ports are free' '1-65535 released' \
  'refused: only 65535 ports are free' '1-65535 leased to again for 3600 s' | diff - "$dir/got" >&2 || fail 'all ports'

for arguments in 0-10 10-9 1-65536 1024 x-y '1-2 0' '1-2 3 x' '1-2 3 4 5'; do
  # shellcheck disable=SC2086
  "$ports" $arguments </dev/null >/dev/null 2>"$dir/err"
  [ $? = 2 ] && [ "$(wc -l <"$dir/err")" = 1 ] || fail "ports $arguments: not refused in one line"
done
echo show | "$ports" >/dev/full 2>/dev/null && fail 'a full disk goes unnoticed'
exit $failed
