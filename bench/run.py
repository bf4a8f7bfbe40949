"""Runs every workload under every allocator in turn, round after round, and prints medians as ratios."""
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
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
PEERS = {"mimalloc": "libmimalloc.so.2.*", "jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4",
         "tbb": "libtbbmalloc_proxy.so.2"}


def build():
    OUT.mkdir(parents=True, exist_ok=True)
    for source in sorted((ROOT / "bench" / "work").glob("*.c")) + [ROOT / "bench" / "launch.c"]:
        program = OUT / source.stem
        subprocess.run(["cc", "-O2", "-fno-builtin", "-pthread", source, "-o", program, "-lm"], check=True)


def allocators(extra):
    found = {"glibc": "", "freehold": str(ROOT / "build" / "release" / "libfreehold.so")}
    for name, pattern in PEERS.items():
        paths = sorted(glob.glob(f"/usr/lib/*/{pattern}"))
        if paths:
            found[name] = paths[0]
    found.update(pair.split("=", 1) for pair in extra)
    for name, path in list(found.items()):
        if path and not os.path.exists(path):
            print(f"bench: {name} is left out: {path} does not exist", file=sys.stderr)
            del found[name]
    return found


def run(workload, library):
    """Wall seconds, peak resident bytes and the RESULT line; the launcher is small, so that its own memory is not the peak."""
    begin = time.monotonic()
    done = subprocess.run([OUT / "launch", library, OUT / workload], capture_output=True, text=True)
    wall = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"bench: {workload} under '{library or 'glibc'}' failed with {done.returncode}: {done.stderr.strip()}")
    peak = int(re.search(r"PEAK (\d+)", done.stderr)[1])
    result = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", done.stdout)}
    return {"time": wall, "peak": peak - result.get("own", 0), **result}


def measure(workloads, libraries, rounds):
    runs = {(w, a): [] for w in workloads for a in libraries}
    for _ in range(rounds):
        for workload in workloads:
            for name, library in libraries.items():
                runs[workload, name].append(run(workload, library))
    return {key: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for key, rows in runs.items()}


def settled(row):
    return row["settled"] - (row["own"] if row.get("own", 0) < row["settled"] else 0)


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(title, medians, workloads, names, value):
    print(f"\n{title}\n{'':14}" + "".join(f"{n:>11}" for n in names))
    for workload in workloads:
        print(f"{workload:14}" + "".join(f"{value(medians, workload, n):>11}" for n in names))


def instructions(library):
    """Of one malloc(16) and free pair in the two functions themselves: linkage stubs apart."""
    env = dict(os.environ, LD_PRELOAD=library)
    out = OUT / "callgrind.out"
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", OUT / "pair", "100000"], env=env,
                   capture_output=True, check=True)
    text = subprocess.run(["callgrind_annotate", "--threshold=100", out], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^\s*([\d,]+) .*src/\S+:(?:malloc|free)\b", text, re.M)
    if not rows:
        sys.exit("bench: callgrind shows no malloc or free of the library: nothing was counted")
    return math.ceil(sum(int(r.replace(",", "")) for r in rows) / 100000)


def goal(text, got, most, shown):
    print(f"  {'pass' if got <= most else 'MISS'}  {text}: {shown}")


def goals(medians, workloads, names, options):
    if not {"freehold", "glibc"} <= set(names):
        return
    print("\ngoals")
    timed = [w for w in workloads if w != "tiny"]
    if "mimalloc" in names:
        ratio = geomean([medians[w, "freehold"]["time"] / medians[w, "mimalloc"]["time"] for w in timed])
        goal("time over mimalloc, geometric mean <= 1.05", ratio, 1.05, f"{ratio:.2f}")
    ratio = geomean([medians[w, "freehold"]["peak"] / medians[w, "glibc"]["peak"] for w in timed])
    goal("peak over glibc, geometric mean <= 1.05", ratio, 1.05, f"{ratio:.2f}")
    row = {w: (medians[w, "freehold"], medians[w, "glibc"]) for w in workloads}
    if "server" in row:
        ratio = settled(row["server"][0]) / row["server"][0]["live"]
        goal("server: resident over live <= 1.15", ratio, 1.15, f"{ratio:.3f}")
    if "freed_idle" in row:
        left = row["freed_idle"][0]["settled"] / 2**20
        goal("all freed: resident < 8 MiB", left, 8, f"{left:.1f} MiB")
    if "idle_threads" in row:
        ours, theirs = (r["settled"] / 2**20 for r in row["idle_threads"])
        goal("200 idle threads: less than glibc", ours, theirs, f"{ours:.0f} MiB, glibc {theirs:.0f} MiB")
    if "tiny" in row:
        more = (row["tiny"][0]["peak"] - row["tiny"][1]["peak"]) / 2**20
        slower = (row["tiny"][0]["time"] - row["tiny"][1]["time"]) * 1e3
        goal("a tiny program: resident <= glibc + 0.6 MiB", more, 0.6, f"{more:+.2f} MiB")
        goal("a tiny program: start <= glibc + 1 ms", slower, 1, f"{slower:+.2f} ms")
    if options.insn:
        pair = instructions(str(ROOT / "build" / "release" / "libfreehold.so"))
        goal("malloc(16) and free: instructions <= 30", pair, 30, str(pair))


def main():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", help="workloads, separated by commas")
    parser.add_argument("--insn", action="store_true", help="count the instructions of a pair with callgrind")
    parser.add_argument("--json", help="write the medians to this file")
    parser.add_argument("peer", nargs="*", help="further allocators as name=path")
    options = parser.parse_args()
    build()
    libraries = allocators(options.peer)
    workloads = options.only.split(",") if options.only else sorted(p.stem for p in (ROOT / "bench" / "work").glob("*.c"))
    medians = measure(workloads, libraries, 1 if options.quick else options.rounds)
    names = list(libraries)
    base = "mimalloc" if "mimalloc" in names else "glibc"
    table(f"time, over {base}", medians, workloads, names,
          lambda m, w, n: f"{m[w, n]['time'] / m[w, base]['time']:.2f}")
    table("peak resident, over glibc (own bookkeeping taken off)", medians, workloads, names,
          lambda m, w, n: f"{m[w, n]['peak'] / m[w, 'glibc']['peak']:.2f}")
    table("settled: over live bytes, or MiB where nothing is live", medians,
          [w for w in workloads if "settled" in medians[w, "glibc"]], names,
          lambda m, w, n: f"{settled(m[w, n]) / m[w, n]['live']:.2f}" if m[w, n]["live"] else f"{m[w, n]['settled'] / 2**20:.0f} MiB")
    goals(medians, workloads, names, options)
    if options.json:
        rows = {f"{w} {n}": row for (w, n), row in medians.items()}
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


main()
