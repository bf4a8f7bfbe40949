"""Tables and goals from the medians."""
import math
import platform
import time

import measure

MIB = 2**20


def geomean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def means(medians, rows, names, key, base):
    """By allocator, over one of them."""
    return {n: geomean(medians[row, n][key] / medians[row, base][key] for row in rows) for n in names}


def base_of(names):
    """What the others are divided by, unless that is said."""
    return next(n for n in ("mimalloc3", "mimalloc", "glibc") if n in names)


def settled(row):
    """Resident at the end without the workload's own bookkeeping, where it has told how much that is."""
    return row["settled"] - (row["own"] if row.get("own", 0) < row["settled"] else 0)


def header(libraries, rounds):
    print(f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, {measure.os.cpu_count()} processors, "
          f"Linux {platform.release()}, {rounds} rounds")
    for name, library in libraries.items():
        print(f"  {name:12} " + (measure.version(library) if library else " ".join(platform.libc_ver())))


def table(title, rows, names, cell, means=None):
    """A row a workload; a cell is text. `means` gives the closing row."""
    width = max([14, *map(len, rows)])
    print(f"\n{title}\n{'':{width}}" + "".join(f"{name:>15}" for name in names))
    for row in rows:
        print(f"{row:{width}}" + "".join(f"{cell(row, name):>15}" for name in names))
    if means is not None:
        print(f"{'geometric mean':{width}}" + "".join(f"{means(name):>15.2f}" for name in names))


def ratio_table(title, medians, rows, names, key, unit, base):
    """Absolute values with the ratio to one allocator behind each."""
    def ratio(row, name):
        return medians[row, name][key] / medians[row, base][key]
    table(f"{title} (over {base})", rows, names,
          lambda row, name: f"{medians[row, name][key] * unit:.1f} ({ratio(row, name):.2f})",
          means(medians, rows, names, key, base).get)


def settled_cell(row):
    mib = settled(row) / MIB
    return f"{mib:.1f} ({settled(row) / row['live']:.2f})" if row["live"] else f"{row['settled'] / MIB:.1f}"


def tables(medians, workloads, names):
    base = "mimalloc" if "mimalloc" in names else "glibc"
    ratio_table("time in ms", medians, workloads, names, "time", 1e3, base)
    ratio_table("peak resident in MiB, own bookkeeping taken off", medians, workloads, names, "peak", 1 / MIB, "glibc")
    at_end = [w for w in workloads if "settled" in medians[w, "glibc"]]
    table("settled resident in MiB (over live bytes, where there are any)", at_end, names,
          lambda row, name: settled_cell(medians[row, name]))


def instruction_table(counts, workloads, names):
    base = "mimalloc" if "mimalloc" in names else "glibc"
    table(f"instructions of a run a {measure.SHORT}th as long, in millions (over {base})", workloads, names,
          lambda row, name: f"{counts[row, name] / 1e6:.0f} ({counts[row, name] / counts[row, base]:.2f})",
          lambda name: geomean(counts[row, name] / counts[row, base] for row in workloads))


def goal(text, got, most, shown):
    print(f"  {'pass' if got <= most else 'MISS'}  {text}: {shown}")


def mean_goals(medians, workloads, names):
    if "mimalloc" in names:
        ratio = geomean(medians[w, "freehold"]["time"] / medians[w, "mimalloc"]["time"] for w in workloads)
        goal("time over mimalloc, geometric mean <= 1.05", ratio, 1.05, f"{ratio:.2f}")
    ratio = geomean(medians[w, "freehold"]["peak"] / medians[w, "glibc"]["peak"] for w in workloads)
    goal("peak over glibc, geometric mean <= 1.05", ratio, 1.05, f"{ratio:.2f}")


# Resident over live at the end, and how much longer it may take than the fastest rival.
SETTLED = {"server": (1.08, 1.0), "cache": (1.10, None), "realloc_grow": (1.20, 1.0)}


def time_goal(medians, workload, rivals, most):
    best, name = min((medians[workload, n]["time"], n) for n in rivals)
    ratio = medians[workload, "freehold"]["time"] / best
    goal(f"{workload}: time over the fastest rival's ({name}) <= {most}", ratio, most, f"{ratio:.2f}")


def settled_goals(medians, workloads, rivals):
    ours = {w: medians[w, "freehold"] for w in workloads}
    for workload, (most, slower) in SETTLED.items():
        if workload in ours:
            ratio = settled(ours[workload]) / ours[workload]["live"]
            goal(f"{workload}: resident over live <= {most:.2f}", ratio, most, f"{ratio:.3f}")
            if slower is not None:
                time_goal(medians, workload, rivals, slower)
    if "freed_idle" in ours:
        left = ours["freed_idle"]["settled"] / MIB
        goal("all freed: resident < 4 MiB", left, 4, f"{left:.1f} MiB")
        time_goal(medians, "freed_idle", rivals, 1.1)
    if "idle_threads" in ours:
        left = ours["idle_threads"]["settled"] / MIB
        goal("200 idle threads: resident < 40 MiB", left, 40, f"{left:.0f} MiB")


def first_goals(medians, workloads, names, rivals):
    """First in the geometric means, over every rival given."""
    for key, what in (("time", "time"), ("peak", "peak resident")):
        mean = means(medians, workloads, names, key, "glibc")
        best, name = min((mean[n], n) for n in rivals)
        goal(f"{what}: first of all in the geometric mean ({name} {best:.2f})", mean["freehold"], best,
             f"{mean['freehold']:.2f}")


def start_goals(starts):
    more = (starts["freehold"]["peak"] - starts["glibc"]["peak"]) / MIB
    slower = (starts["freehold"]["time"] - starts["glibc"]["time"]) * 1e3
    goal("a tiny program: resident <= glibc + 0.3 MiB", more, 0.3, f"{more:+.2f} MiB")
    goal(f"a tiny program: start <= glibc + 0.3 ms, median of {measure.STARTS}", slower, 0.3, f"{slower:+.2f} ms")


def goals(medians, workloads, names, starts, pair):
    print("\ngoals")
    if not {"freehold", "glibc"} <= set(names):
        print("  not judged: freehold or glibc was left out")
        return
    rivals = [n for n in names if n != "freehold"]
    mean_goals(medians, workloads, names)
    first_goals(medians, workloads, names, rivals)
    settled_goals(medians, workloads, rivals)
    if starts:
        start_goals(starts)
    if pair is None:
        print("  not counted (--insn)  malloc(16) and free: instructions <= 30")
    else:
        goal("malloc(16) and free: instructions <= 30", pair, 30, str(pair))
