"""Instructions of a pair of calls (malloc and free, say) in loops of many kinds (bench/calls/calls.c), by callgrind: a
machine that is noisy, or slow at page faults, counts the same. With the loop's own 5 to 20; without the kernel's."""
import re
import subprocess

import measure
import show

CALLS = 20000
LONGEST = 300  # seconds of one run: some allocators do not end, or start, under valgrind


def arguments():
    parser = measure.options_of("calls", __doc__, 1, of="pattern")
    parser.add_argument("--only", help="patterns that begin so, separated by semicolons")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"pairs that are counted of each pattern ({CALLS})")
    return parser.parse_args()


def patterns(only):
    every = subprocess.run([measure.OUT / "calls"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = [name for name in every if not only or any(name.startswith(part.strip()) for part in only.split(";"))]
    if not found:
        raise SystemExit(f"bench: no pattern begins with {only}; there are {', '.join(every)}")
    return found


def count(command, library):
    """Instructions a pair; none where the program did not end well under valgrind, which is said."""
    try:
        out, printed = measure.callgrind(library, measure.OUT, measure.OUT / "calls", *map(str, command),
                                         flags=["--toggle-collect=measured"], longest=LONGEST)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        why = f"did not end in {LONGEST} s" if isinstance(failed, subprocess.TimeoutExpired) else f"ended with {failed.returncode}"
        measure.leave_out(f"{command[0]} under '{library or 'glibc'}'", f"under valgrind it {why}")
        return {}
    return {"insn": measure.collected(out) / int(re.search(r"RESULT calls=(\d+)", printed)[1])}


def cell(row, base):
    if not row:
        return "-"
    return f"{row['insn']:.0f}" + (f" ({row['insn'] / base['insn']:.2f})" if base else "")


def main():
    options = arguments()
    measure.compile_program("calls/calls.c", measure.OUT)
    libraries = measure.allocators(options)
    names = list(libraries)
    if "freehold" not in names:
        raise SystemExit("bench: freehold was left out: there is nothing to compare")
    jobs = {name: (name, options.calls) for name in patterns(options.only)}
    show.header(libraries, options.rounds)
    runs = measure.rounds_of(jobs, libraries, options.rounds, count)
    found = {key: measure.medians_of(rows) if all(rows) else {} for key, rows in runs.items()}
    base = "freehold"
    counted = [job for job in jobs if found[job, base]]

    def mean(name):
        return show.geomean(found[job, name]["insn"] / found[job, base]["insn"] for job in counted if found[job, name])
    show.table(f"instructions a pair of calls (over {base})", jobs, names,
               lambda job, name: cell(found[job, name], found[job, base]), mean)
    measure.write_json(options.json, found)


main()
