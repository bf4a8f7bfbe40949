"""footprint.py LIBRARY KIB MORE: fails when a program that does next to nothing keeps more than KIB of the library's own
file resident, or runs code of the segment that is meant to lie untouched (cmake/rare.ld), or has more than MORE KiB of
memory of its own beyond what it has under the C library's malloc. Pages are counted, not timed."""
import os
import re
import subprocess
import sys


def seen_by_itself(file, library):
    """What the program reads there."""
    return subprocess.run(["cat", file], env=dict(os.environ, LD_PRELOAD=library), capture_output=True, text=True,
                          check=True).stdout


def mappings(library):
    """Access and resident KiB of each mapping of the library."""
    text = seen_by_itself("/proc/self/smaps", library)
    found = re.findall(r"^[0-9a-f]+-[0-9a-f]+ (\S+) .*/(\S+)\n(?:.*\n)*?Rss: +(\d+) kB", text, re.MULTILINE)
    return [(access, int(kib)) for access, name, kib in found if name == os.path.basename(library)]


def own(library):
    """KiB that are not of a file."""
    return int(re.search(r"^Anonymous: +(\d+) kB", seen_by_itself("/proc/self/smaps_rollup", library), re.MULTILINE)[1])


def main():
    library, most, most_more = os.path.realpath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    more = own(library) - own("")
    print(f"{more} KiB of its own more than without the library, at most {most_more}")
    if more > most_more:
        raise SystemExit(1)
    found = mappings(library)
    total = sum(kib for _, kib in found)
    print(f"{total} KiB of the library are resident, at most {most}: {found}")
    code = [kib for access, kib in found if "x" in access]
    if len(code) != 2:
        raise SystemExit(f"{len(code)} segments of code instead of 2: cmake/rare.ld was not used")
    if code[1] != 0:
        raise SystemExit(f"{code[1]} KiB of the second one are resident: something in src/lens, range or region runs at start")
    if total > most:
        raise SystemExit(1)


main()
