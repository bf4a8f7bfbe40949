"""Freehold's region against other allocators that live in bytes they are given: how full a region gets, how long a call
takes, how many instructions the worst one has. All in one program, which runs them in turns; the others are plug-ins
(bench/region/plugin.h), and it runs without any, too."""
import argparse
import pathlib
import platform
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
OURS = ("freehold", "packed", "bounded")


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench region", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", choices=("fill", "latency", "steps"), help="one group of measures")
    parser.add_argument("--core", default=ROOT / "build" / "release" / "libfreehold-core.a",
                        help="another build of the library")
    parser.add_argument("rival", nargs="*", help="plug-ins as name=path.so")
    return parser.parse_args()


def build(core):
    OUT.mkdir(parents=True, exist_ok=True)
    sources = [ROOT / "bench" / "region" / f"{name}.c" for name in ("race", "fill", "latency", "worst")]
    subprocess.run(["cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT / 'include'}", *sources, core,
                    "-o", OUT / "region", "-ldl", "-lm"], check=True)


def race(options):
    """Measure to name to values."""
    command = [OUT / "region"] + ["--quick"] * options.quick
    command += ["--only", options.only] if options.only else []
    done = subprocess.run(command + options.rival, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench region: the race ended with {done.returncode}")
    found = {}
    for line in done.stdout.splitlines():
        measure, name, *values = line.split()
        found.setdefault(measure, {})[name] = values
    return found


def number(found, measure, name, index=0):
    values = found.get(measure, {}).get(name)
    return float(values[index]) if values and len(values) > index else None


def best(found, measure, names, index=0, pick=min):
    """The best of some names with what it has; None: nobody was measured."""
    values = {n: number(found, measure, n, index) for n in names}
    values = {n: v for n, v in values.items() if v is not None}
    if not values:
        return None
    name = pick(values, key=values.get)
    return name, values[name]


def cell(value, base, form):
    """A value with its ratio to plain Freehold's."""
    if value is None:
        return "-"
    return format(value, form) + (f" ({value / base:.2f})" if base else "")


def table(title, rows, names, found, form):
    """A row is (text, measure, index)."""
    rows = [row for row in rows if row[1] in found]
    if not rows:
        return
    print(f"\n{title}\n{'':30}" + "".join(f"{name:>16}" for name in names))
    for text, measure, index in rows:
        base = number(found, measure, "freehold", index)
        cells = (cell(number(found, measure, n, index), base if n != "freehold" else None, form) for n in names)
        print(f"{text:30}" + "".join(f"{c:>16}" for c in cells))


def fill_table(found, names):
    rows = [(f"first failure, {mib} MiB, {what}", f"failure_{mib}", i)
            for mib in (1, 64) for i, what in enumerate(("mean", "least"))]
    rows += [("largest of a fresh 1 MiB", "largest", 0)]
    rows += [(f"objects of {size} bytes", f"equal_{size}", 0) for size in (16, 64, 129)]
    table("share of the region's bytes that callers have (over freehold)", rows, names, found, ".4f")


def latency_tables(found, names):
    if "timer" in found:
        print(f"\nan empty measurement takes {number(found, 'timer', '-'):.1f} ns, which are taken off below")
    for mib in (1, 64):
        for fill in (50, 90):
            rows = [(f"{call} {what}", f"{call}_{mib}_{fill}", i) for call in ("alloc", "free")
                    for i, what in enumerate(("median", "p99", "p99.9", "max"))]
            rows += [("allocs that failed, share", f"alloc_{mib}_{fill}", 4)]
            table(f"ns of a call, {mib} MiB, {fill} % live, or as many as it can hold (over freehold)", rows, names,
                  found, ".2f")


def steps_table(found, names):
    rows = [(f"{call}, {kib} KiB", f"{call}_steps_{kib}", 0) for call in ("alloc", "free") for kib in (64, 65536)]
    table("instructions of the worst call found (over freehold)", rows, names, found, ".0f")
    for name in OURS:
        for text, measure, _ in rows:
            if name in found.get(measure, {}):
                print(f"  {name}, {text}: in workload {found[measure][name][1]}")


def judge(text, got, passed, shown):
    if got is not None:
        print(f"  {'pass' if passed(got) else 'MISS'}  {text}: {shown.format(got)}")


def fill_goals(found):
    for mib, least in ((1, .950), (64, .965)):
        judge(f"live share at the first failure, {mib} MiB >= {least:.3f}", number(found, f"failure_{mib}", "freehold"),
              lambda v, least=least: v >= least, "{:.4f}")
    judge("largest allocation of a fresh 1 MiB region >= .999", number(found, "largest", "freehold"),
          lambda v: v >= .999, "{:.4f}")
    for name, text, goals in (("freehold", "aligned to 16", {16: .50, 64: .80, 129: .89}),
                              ("packed", "packed, aligned to 8", {16: .66, 64: .88, 129: .89})):
        for size, least in goals.items():
            judge(f"objects of {size} bytes, {text} >= {least:.2f}", number(found, f"equal_{size}", name),
                  lambda v, least=least: round(v, 2) >= least, "{:.4f}")


def beat(text, found, measure, index, rivals):
    rival = best(found, measure, rivals, index)
    ours = number(found, measure, "freehold", index)
    if rival is not None and ours is not None:
        judge(f"{text} <= {rival[1]:.1f} ns ({rival[0]})", ours, lambda v: v <= rival[1], "{:.1f} ns")


def latency_goals(found, rivals):
    beat("alloc p99.9, 1 MiB at 90 %", found, "alloc_1_90", 2, [r for r in rivals if r == "o1heap"])
    for mib in (1, 64):
        for fill in (50, 90):
            for call in ("alloc", "free"):
                beat(f"{call} median, {mib} MiB at {fill} %", found, f"{call}_{mib}_{fill}", 0, rivals)


def steps_goals(found):
    for call in ("alloc", "free"):
        small = number(found, f"{call}_steps_64", "freehold")
        judge(f"worst {call}: 64 MiB has no more instructions than 64 KiB ({small or 0:.0f})",
              number(found, f"{call}_steps_65536", "freehold"), lambda v, small=small: v <= small, "{:.0f}")


def able(found, names):
    """Those that hold half a region; the others' calls are short because they fail."""
    failed = {n: max(number(found, f"alloc_{mib}_50", n, 4) or 0 for mib in (1, 64)) for n in names}
    for name in names:
        if failed[name] > .01:
            print(f"  {name} does not count for the latencies: it cannot hold half of a region")
    return [name for name in names if failed[name] <= .01]


def main():
    options = arguments()
    build(options.core)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, Linux {platform.release()}: sizes "
          "16 * 256^(u * u), u uniform in [0, 1): from 16 to 4096, mean 419")
    found = race(options)
    names = list(dict.fromkeys(name for row in found.values() for name in row if name != "-"))
    rivals = [name for name in names if name not in OURS]
    fill_table(found, names)
    latency_tables(found, names)
    steps_table(found, names)
    print("\ngoals")
    fill_goals(found)
    latency_goals(found, able(found, rivals))
    steps_goals(found)


main()
