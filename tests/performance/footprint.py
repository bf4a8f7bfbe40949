"""footprint.py LIBRARY KIB: fails when a program that does next to nothing keeps more than KIB of the library's own file
resident, or runs code of the segment that is meant to lie untouched (cmake/rare.ld). Pages are counted, not timed."""
import os
import re
import subprocess
import sys


def mappings(library):
    """Access and resident KiB of each mapping of the library, as the program sees itself."""
    done = subprocess.run(["cat", "/proc/self/smaps"], env=dict(os.environ, LD_PRELOAD=library), capture_output=True,
                          text=True, check=True)
    found = re.findall(r"^[0-9a-f]+-[0-9a-f]+ (\S+) .*/(\S+)\n(?:.*\n)*?Rss: +(\d+) kB", done.stdout, re.MULTILINE)
    return [(access, int(kib)) for access, name, kib in found if name == os.path.basename(library)]


def main():
    library, most = sys.argv[1], int(sys.argv[2])
    found = mappings(os.path.realpath(library))
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
