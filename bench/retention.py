"""What the heap keeps of freed memory: whole kernel pages that hold no live byte and are resident, looked at every few
milliseconds while all threads stand still (bench/retention/retention.c), against the bound, by what keeps them; and
what FREEHOLD_RETAIN trades."""
import argparse
import os
import re
import statistics
import subprocess
import time

import measure
import show

LOADS = ("server", "cache", "freed", "survivors", "idle", "large", "huge", "handed", "mixed")
KINDS = {"runs": "free page runs", "holes": "big holes of the chunk heap", "bits": "small holes, ends of big ones",
         "uncarved": "slots not reached yet", "slots": "free slots of slabs in use", "quick": "quick lists",
         "cached": "thread caches, and slabs that only these keep", "sent": "on their way to another thread",
         "maps": "maps of slabs"}
DEFAULT = 10


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench retention", description=__doc__)
    parser.add_argument("--retain", default="0,5,10,20,50,100", help="settings for the curve (0,5,10,20,50,100)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each load and setting for the time (3)")
    parser.add_argument("--every", type=int, default=5, help="milliseconds from one look to the next (5)")
    parser.add_argument("--only", help="loads, separated by commas: " + ",".join(LOADS))
    parser.add_argument("--json", help="write what was measured to this file")
    return parser.parse_args()


def build():
    """With the heap under its own names: its insides are looked at, and the load's tables are not in it."""
    measure.OUT.mkdir(parents=True, exist_ok=True)
    bench, library = measure.ROOT / "bench", measure.ROOT / "build" / "release" / "libfreehold_heap.a"
    subprocess.run(["cc", "-O2", "-fno-builtin", "-pthread", "-D_GNU_SOURCE", f"-I{measure.ROOT / 'src'}",
                    f"-I{measure.ROOT / 'include'}", f"-I{bench}", bench / "retention" / "retention.c", library,
                    "-o", measure.OUT / "retention", "-lm"], check=True)


def run(load, retain, every):
    """The RESULT line; `every` 0: the time only."""
    env = dict(os.environ, FREEHOLD_RETAIN=str(retain))
    done = subprocess.run([measure.OUT / "retention", load, str(every)], env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench retention: {load} ended with {done.returncode}: {done.stderr.strip()}")
    return {k: float(v) for k, v in re.findall(r"(\w+)=(-?[\d.]+)", done.stdout)}


def collect(loads, settings, options):
    found = {(load, retain): run(load, retain, options.every) for load in loads for retain in settings}
    times = {key: [] for key in found}
    for _ in range(options.rounds):
        for load, retain in found:
            times[load, retain].append(run(load, retain, 0)["time"])
    for key, row in found.items():
        row["time"] = statistics.median(times[key]) if times[key] else 0
    return found


def mib(value):
    return f"{value / show.MIB:.1f}"


def kept_table(found, loads):
    columns = {"looks": lambda row: f"{row['samples']:.0f}", "threads": lambda row: f"{row['heaps']:.0f}",
               "live most": lambda row: mib(row["live_most"]), "kept mean": lambda row: mib(row["kept"]),
               "kept most": lambda row: mib(row["kept_most"]), "beyond 10 %": lambda row: mib(row["beyond"]),
               "share": lambda row: f"{row['share']:.3f}", "unknown KiB": lambda row: f"{row['unknown'] / 1024:.0f}"}
    print("\nMiB; beyond 10 %: the most that was kept beyond a tenth of what was live; share: the most over live,\n"
          "while at least half of the most was live; unknown: kept, and not in the heap's own account")
    show.table("kept", loads, columns, lambda load, column: columns[column](found[load, DEFAULT]))


def kinds_table(found, loads):
    print("\n" + "\n".join(f"{kind:14}{text}" for kind, text in KINDS.items()))
    show.table("MiB kept by kind when most was kept over the bound (in brackets: the most at any time)", KINDS, loads,
               lambda kind, load: "{} ({})".format(*(mib(found[load, DEFAULT][key]) for key in (f"at_{kind}", kind))))


def curve(found, loads, settings):
    names = [str(s) for s in settings]

    def cell(key, unit, form):
        return lambda load, name: form.format(found[load, int(name)][key] * unit)
    show.table("FREEHOLD_RETAIN: seconds", loads, names, cell("time", 1, "{:.3f}"),
               lambda name: show.geomean(found[load, int(name)]["time"] for load in loads))
    show.table("FREEHOLD_RETAIN: MiB kept, mean", loads, names, cell("kept", 1 / show.MIB, "{:.1f}"))
    show.table("FREEHOLD_RETAIN: MiB kept, most", loads, names, cell("kept_most", 1 / show.MIB, "{:.1f}"))


def goals(found, loads):
    row = found[loads[0], DEFAULT]
    print(f"\ngoals at FREEHOLD_RETAIN={DEFAULT}: kept <= 10 % of live + {mib(row['fixed'])} MiB + "
          f"{mib(row['each'])} MiB a thread")
    for load in loads:
        row = found[load, DEFAULT]
        show.goal(f"{load}: kept over the bound, at {mib(row['at_live'])} MiB live and {row['at_heaps']:.0f} threads",
                  row["over"], 0, f"{row['over'] / show.MIB:+.1f} MiB")
    for load in loads:
        row = found[load, DEFAULT]
        show.goal(f"{load}: the same without free slots of slabs in use", row["over_whole"], 0,
                  f"{row['over_whole'] / show.MIB:+.1f} MiB")
    for load in loads:
        row = found[load, DEFAULT]
        most = (row["heaps"] + 1) * 96
        show.goal(f"{load}: kept and not in the heap's account <= {most:.0f} KiB", row["unknown"] / 1024, most,
                  f"{row['unknown'] / 1024:.0f} KiB")
    worst = max(found[load, DEFAULT]["smaps"] for load in loads) / 1024
    show.goal("the two accounts of the kernel differ by 16 KiB or less", worst, 16, f"{worst:.0f} KiB")


def main():
    options = arguments()
    loads = measure.chosen(options.only, LOADS, "load")
    settings = sorted({int(s) for s in options.retain.split(",") if s} | {DEFAULT})
    build()
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors: a look every {options.every} ms, "
          f"{options.rounds} rounds for the time")
    found = collect(loads, settings, options)
    kept_table(found, loads)
    kinds_table(found, loads)
    curve(found, loads, settings)
    goals(found, loads)
    measure.write_json(options.json, found)


main()
