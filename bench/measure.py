"""What the races share: their options, building the workloads, and running each under each allocator."""
import argparse
import glob
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
FREEHOLD = str(ROOT / "build" / "release" / "libfreehold.so")
PEERS = {"mimalloc": "libmimalloc.so.2.*", "jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4",
         "tbb": "libtbbmalloc_proxy.so.2"}
SHORT = 20  # loops are divided by it for callgrind, which is some fifty times slower
STARTS = 200
RIVAL_TRIES = 3  # rpmalloc 2.0.1 crashes now and then in larson; a run that failed is not counted
CC = ["cc", "-O2", "-fno-builtin", "-pthread", "-D_GNU_SOURCE"]


def options_of(command, text, rounds, of="workload", what="allocators as name=path", peers=True):
    """A parser with the options that every race has; the caller adds its own. Peers are what may be installed."""
    parser = argparse.ArgumentParser(prog=f"script/bench {command}".strip(), description=text)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"runs of each pair of {of} and allocator ({rounds})")
    if peers:
        parser.add_argument("--no-peers", action="store_true", help="only the allocators named, none that is installed")
    parser.add_argument("--json", help="write the medians to this file")
    parser.add_argument("rival", nargs="*", help=f"further {what}")
    return parser


def chosen(only, known, what):
    """Of a list separated by commas; without one, all."""
    names = only.split(",") if only else list(known)
    unknown = set(names) - set(known)
    if unknown:
        raise SystemExit(f"bench: unknown {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return names


def write_json(path, medians):
    """Where a path was given."""
    if path:
        pathlib.Path(path).write_text(json.dumps({f"{job} {name}": row for (job, name), row in medians.items()}, indent=1))


def compile_program(source, out, short=1):
    """A program of bench/ by its path there, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    source = ROOT / "bench" / source
    subprocess.run([*CC, f"-DSHORT={short}", source, "-o", out / source.stem, "-lm"], check=True)


def workloads():
    """To their sources."""
    return {source.stem: source for source in sorted((ROOT / "bench" / "work").glob("*.c"))}


def build():
    for source in [*workloads().values(), ROOT / "bench" / "launch.c"]:
        for out, short in ((OUT, 1), (OUT / "short", SHORT)):
            compile_program(source, out, short)


def leave_out(name, reason):
    print(f"bench: {name} is left out: {reason}", file=sys.stderr)


def with_rivals(found, options):
    """And those named; what does not exist is left out."""
    found = found | dict(pair.split("=", 1) for pair in options.rival)
    absent = [name for name, path in found.items() if path and not os.path.exists(path)]
    for name in absent:
        leave_out(name, f"{found[name]} does not exist")
    return {name: path for name, path in found.items() if name not in absent}


def allocators(options):
    """Name to library; the C library's own needs none."""
    found = {"glibc": "", "freehold": FREEHOLD}
    for name, pattern in PEERS.items() if not options.no_peers else ():
        paths = sorted(glob.glob(f"/usr/lib/*/{pattern}"))
        if paths:
            found[name] = paths[0]
    return with_rivals(found, options)


def version(library):
    """Of a library: of the Debian package that owns it, else its file name."""
    owner = subprocess.run(["dpkg-query", "-S", os.path.realpath(library)], capture_output=True, text=True)
    if owner.returncode != 0:
        return os.path.basename(library)
    package = owner.stdout.split(":")[0]
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True).stdout


def run(command, library):
    """Wall seconds, peak resident bytes and the RESULT line of a program and its arguments; the launcher is small, so that
    its own memory is not the peak, nor its own start a part of the time."""
    workload, *arguments = command
    for left in reversed(range(1 if library == FREEHOLD else RIVAL_TRIES)):
        done = subprocess.run([OUT / "launch", library, OUT / workload, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode == 0:
            break
        failed = f"bench: {workload} under '{library or 'glibc'}' failed with {done.returncode}: {done.stderr.strip()}"
        if left == 0:
            sys.exit(failed)
        print(f"{failed}; once more", file=sys.stderr)
    peak, wall = (int(figure) for figure in re.search(r"PEAK (\d+) WALL (\d+)", done.stderr).groups())
    result = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", done.stdout)}
    return {"time": wall / 1e6, "peak": peak - result.get("own", 0), **result}


def medians_of(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def medians(runs):
    return {key: medians_of(rows) for key, rows in runs.items()}


def rounds_of(jobs, libraries, rounds, run_one=run):
    """What every run gives, by job and allocator. A job is a name to what `run_one` runs under a library. Each round runs
    all and begins with another allocator: drift of the machine, and what one leaves behind in it, meet all alike."""
    runs = {(job, name): [] for job in jobs for name in libraries}
    names = list(libraries)
    for turn in range(rounds):
        for job, command in jobs.items():
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                runs[job, name].append(run_one(command, libraries[name]))
    return runs


def measure(workloads, libraries, rounds):
    return medians(rounds_of({w: (w,) for w in workloads}, libraries, rounds))


def starts(libraries):
    """A program that does nothing, many times: its start is too short for a few rounds."""
    found = measure(["tiny"], libraries, STARTS)
    return {name: found["tiny", name] for name in libraries}


def callgrind(library, folder, *command, flags=(), longest=None):
    """Its output file, and what the program printed; `longest` is in seconds."""
    out = folder / "callgrind.out"
    env = dict(os.environ, LD_PRELOAD=library)
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *flags, *command], env=env,
                          capture_output=True, text=True, check=True, timeout=longest)
    return out, done.stdout


def collected(out):
    """Instructions, by such a file."""
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def instructions(workload, library):
    """Of the whole short run."""
    return collected(callgrind(library, OUT, OUT / "short" / workload)[0])


def pair_instructions(library=FREEHOLD, folder=OUT):
    """Of one malloc(16) and free in the two functions themselves: linkage stubs apart. The folder has the program."""
    rounds = 100000
    out, _ = callgrind(library, folder, folder / "pair", str(rounds))
    text = subprocess.run(["callgrind_annotate", "--threshold=100", out], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^\s*([\d,]+) .*src/\S+:(?:malloc|free)\b", text, re.M)
    if not rows:
        sys.exit("bench: callgrind shows no malloc or free of the library: nothing was counted")
    return math.ceil(sum(int(row.replace(",", "")) for row in rows) / rounds)
