"""The public suite (daanx/mimalloc-bench, built by its own script) under Freehold and any rivals, interleaved: time as
the suite takes it, and peak resident memory, with geometric means, the best of all test by test, and how far the worst
test is behind the best rival."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import measure
import plot
import show

PROCS = os.cpu_count() or 1
PORT = "17379"  # of the redis server


def micros(figures, _output):
    return figures["WALL"] / 1e6


def printed(pattern, turn=float):
    """The time that the program itself reports, as the suite's bench.sh reads it."""
    def read(_figures, output):
        match = re.search(pattern, output)
        if match is None:
            raise SystemExit(f"bench: no time in what the program printed: {output[-300:]!r}")
        return turn(match[1])
    return read


# Program with arguments, and where its time comes from. Programs that run for a set time report a rate.
TESTS = {
    "cfrac": (["./cfrac", "17545186520507317056371138836327483792789528"], micros),
    "espresso": (["./espresso", "../../bench/espresso/largest.espresso"], micros),
    "barnes": (["./barnes"], micros),
    "glibc-simple": (["./glibc-simple"], micros),
    "glibc-thread": (["./glibc-thread", str(PROCS)], printed(r"([\d.]+)", lambda ops: 1e9 / float(ops))),
    "alloc-test1": (["./alloc-test", "1"], micros),
    "alloc-testN": (["./alloc-test", str(min(PROCS, 16))], micros),
    "larsonN": (["./larson", "5", "8", "1000", "5000", "100", "4141", str(PROCS)], printed(r" time: ([\d.]+)")),
    "larsonN-sized": (["./larson-sized", "5", "8", "1000", "5000", "100", "4141", str(PROCS)], printed(r" time: ([\d.]+)")),
    "mstressN": (["./mstress", str(PROCS), "50", "25"], micros),
    "rptestN": (["./rptest", str(PROCS), "0", "1", "2", "500", "1000", "100", "8", "16000"],
                printed(r"\.\.\.(\d+) memory ops", lambda ops: 2e6 / float(ops))),
    "xmalloc-testN": (["./xmalloc-test", "-w", str(PROCS), "-t", "5", "-s", "64"], printed(r"rtime: ([\d.]+)")),
    "cache-scratch1": (["./cache-scratch", "1", "1000", "1", "2000000", str(PROCS)], micros),
    "cache-scratchN": (["./cache-scratch", str(PROCS), "1000", "1", "2000000", str(PROCS)], micros),
    "cache-thrashN": (["./cache-thrash", str(PROCS), "1000", "1", "2000000", str(PROCS)], micros),
    "malloc-large": (["./malloc-large"], micros),
    "mleak": (["./mleak", "5"], micros),
    "z3": (["z3", "-smt2", "../../bench/z3/test1.smt2"], micros),
    "redis": (None, None),
}

# larson keeps the counters of its threads side by side on the stack of the first, whose address is random in steps of
# 16 bytes: in three places of four two threads write to one line of the processor's cache, and the program takes up to
# 1.6 of its time, whatever the allocator. So it runs in each of the places, and its time is the least.
PLACED = ("larsonN", "larsonN-sized")
STACK_PLACES = (0, 16, 32, 48)

# One run of these says little. The threads of mstress, rptest (which sleeps for most of its sixteen seconds) and
# xmalloc-test meet differently each time, the processor's speed changes within glibc-simple's three seconds, and where
# the kernel draws the addresses of libraries decides 0.4 of mleak's 2 MiB: a run is the median of so many.
REPEATED = {"glibc-simple": 3, "mstressN": 5, "rptestN": 3, "xmalloc-testN": 3, "mleak": 5}


def figures_of(text):
    match = re.search(r"PEAK (\d+) WALL (\d+) CPU (\d+)", text)
    return {"PEAK": int(match[1]), "WALL": int(match[2]), "CPU": int(match[3])} if match else None


def launch(library, command, place=None):
    program = shutil.which(command[0]) if "/" not in command[0] else command[0]
    fixed = [] if place is None else ["-s", str(place)]
    return [str(measure.OUT / "launch"), *fixed, library, program, *command[1:]]


def run_program(test, library, here):
    if test in PLACED:
        runs = [run_once(test, library, here, place) for place in STACK_PLACES]
        return min(runs, key=lambda one: one["time"])
    return measure.medians_of([run_once(test, library, here, None) for _ in range(REPEATED.get(test, 1))])


def run_once(test, library, here, place):
    command, time_of = TESTS[test]
    standard_input = here.parents[1] / "bench" / "barnes" / "input" if test == "barnes" else os.devnull
    with open(standard_input) as source:
        done = subprocess.run(launch(library, command, place), cwd=here, stdin=source, capture_output=True, text=True,
                              errors="replace")
    figures = figures_of(done.stderr)
    if figures is None or done.returncode not in (0, 1):  # some of the programs end with 1 as they should
        raise SystemExit(f"bench: {test} under '{library or 'glibc'}' failed with {done.returncode}: {done.stderr[-300:]}")
    return {"time": time_of(figures, done.stdout), "peak": figures["PEAK"], "cpu": figures["CPU"] / 1e6}


def redis_tool(name, folder):
    """None: it is not there. Without a folder, what is installed."""
    return shutil.which(name, path=folder)


def redis_call(folder, *words):
    command = [redis_tool("redis-cli", folder), "-p", PORT, *words]
    return subprocess.run(command, capture_output=True, text=True).stdout


def redis_rates(folder):
    command = [redis_tool("redis-benchmark", folder), "-p", PORT, "-r", "1000000", "-n", "100000", "-q", "-P", "16",
               "lpush", "a", "1", "2", "3", "4", "5", "lrange", "a", "1", "5"]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    return re.findall(r": ([\d.]+) requests per second", output)


def run_redis(library, folder):
    with tempfile.TemporaryDirectory() as empty:
        command = [redis_tool("redis-server", folder), "--port", PORT, "--save", "", "--dir", empty]
        server = subprocess.Popen(launch(library, command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(100):
            if "PONG" in redis_call(folder, "ping"):
                break
            time.sleep(0.05)
        rates = redis_rates(folder)
        redis_call(folder, "flushall")
        redis_call(folder, "shutdown", "nosave")
        figures = figures_of(server.communicate()[1])
    if not rates or figures is None:
        raise SystemExit(f"bench: redis under '{library or 'glibc'}' failed: rates {rates}, figures {figures}")
    return {"time": 2e6 / float(rates[-1]), "peak": figures["PEAK"], "cpu": figures["CPU"] / 1e6}


def run(test, library, here, redis):
    one = run_redis(library, redis) if test == "redis" else run_program(test, library, here)
    print(f"  {test:15}{one['time']:9.3f} s {one['peak'] / show.MIB:9.1f} MiB  {library or 'glibc'}", file=sys.stderr)
    return one


def why_no_redis(folder):
    """A server that brings an allocator of its own would measure that one under glibc's name."""
    lacking = [n for n in ("redis-server", "redis-cli", "redis-benchmark") if redis_tool(n, folder) is None]
    if lacking:
        return f"there is no {', '.join(lacking)}"
    said = subprocess.run([redis_tool("redis-server", folder), "--version"], capture_output=True, text=True).stdout
    allocator = re.search(r"malloc=(\S+)", said)
    if allocator and allocator[1] == "libc":
        return ""
    return (f"{redis_tool('redis-server', folder)} was built with {allocator[1] if allocator else 'an unknown malloc'}, "
            "not libc's: name the folder of a build with MALLOC=libc with --redis")


def why_not(test, here, redis):
    """What keeps a test from running; empty: nothing. The suite's programs lie in its folder, which their names begin
    with; others are installed."""
    if test == "redis":
        return why_no_redis(redis)
    program = TESTS[test][0][0]
    found = shutil.which(here / program if program.startswith("./") else program)
    return "" if found else "its program was not built or is not installed"


def runnable(tests, here, redis):
    reasons = {test: why_not(test, here, redis) for test in tests}
    for test, reason in reasons.items():
        if reason:
            measure.leave_out(test, reason)
    return [test for test in tests if not reasons[test]]


def best_rows(medians, tests, names, key):
    return {t: min(medians[t, n][key] for n in names if n != "freehold") for t in tests}


def goals(medians, tests, names, base):
    """Issue of the race: first in both means, and no test far behind the best rival of that test."""
    print("\ngoals")
    for key, least, what in (("time", 0.92, "time"), ("peak", 0.50, "peak resident")):
        means = show.means(medians, tests, names, key, base)
        rival = min((m, n) for n, m in means.items() if n != "freehold")
        show.goal(f"{what}: first of all in the geometric mean ({rival[1]} {rival[0]:.3f})", means["freehold"], rival[0],
                  f"{means['freehold']:.3f}")
        show.goal(f"{what} over {base} <= {least}", means["freehold"], least, f"{means['freehold']:.3f}")
        best = best_rows(medians, tests, names, key)
        behind = sorted(((medians[t, "freehold"][key] / best[t], t) for t in tests), reverse=True)
        late = [f"{t} {r:.2f}" for r, t in behind if r > 1.15]
        show.goal(f"{what}: no test over 1.15 of the best rival's", behind[0][0], 1.15, ", ".join(late) or "none")


def arguments():
    parser = measure.options_of("suite", __doc__, 3, of="test")
    parser.add_argument("--suite", required=True, type=pathlib.Path, help="a built copy of the suite, with out/bench in it")
    parser.add_argument("--redis", metavar="DIR", help="a folder with redis-server, redis-cli and redis-benchmark, "
                        "built with MALLOC=libc; without it those that are installed")
    parser.add_argument("--only", help="tests, separated by commas; without it all")
    parser.add_argument("--base", help="the allocator that others are divided by (mimalloc3, mimalloc, or glibc)")
    parser.add_argument("--plot", action="store_true", help="draw into build/bench/plots")
    return parser.parse_args()


def main():
    options = arguments()
    here = (options.suite / "out" / "bench").resolve()
    if not here.is_dir():
        raise SystemExit(f"bench: {here} is not there: build the suite first, as its README says")
    measure.build()
    libraries = measure.allocators(options)
    names = list(libraries)
    tests = runnable(measure.chosen(options.only, TESTS, "test"), here, options.redis)
    if not tests:
        raise SystemExit("bench: no test is left")
    base = options.base or show.base_of(names)
    show.header(libraries, options.rounds)
    runs = measure.rounds_of({t: t for t in tests}, libraries, options.rounds,
                             lambda test, library: run(test, library, here, options.redis))
    medians = measure.medians(runs)
    show.ratio_table("time in s", medians, tests, names, "time", 1, base)
    show.ratio_table("peak resident in MiB", medians, tests, names, "peak", 1 / show.MIB, base)
    for key, what in (("time", "time"), ("peak", "peak resident")):
        best = best_rows(medians, tests, names, key)
        print(f"best rival test by test, {what} over {base}: "
              f"{show.geomean(best[t] / medians[t, base][key] for t in tests):.3f}")
    if len(names) > 1 and "freehold" in names:
        goals(medians, tests, names, base)
    if options.plot:
        plot.draw(medians, tests, names, base, "suite-")
    measure.write_json(options.json, medians)


main()
