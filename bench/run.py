"""Runs every workload under every allocator in turn, round after round, and prints medians and ratios: wall time, peak
and settled resident memory, instructions. Peers are what Debian packages, as far as it is installed, and name=path."""
import argparse
import json
import pathlib

import measure
import plot
import show


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each pair of workload and allocator (5)")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", help="workloads, separated by commas; without it all of bench/work")
    parser.add_argument("--insn", action="store_true",
                        help="count instructions with callgrind too: of short runs, and of a malloc and free pair")
    parser.add_argument("--plot", action="store_true", help="draw into build/bench/plots")
    parser.add_argument("--json", help="write the medians to this file")
    parser.add_argument("peer", nargs="*", help="further allocators as name=path")
    return parser.parse_args()


def main():
    options = arguments()
    measure.build()
    libraries = measure.allocators(options.peer)
    names = list(libraries)
    known = sorted(p.stem for p in (measure.ROOT / "bench" / "work").glob("*.c"))
    chosen = options.only.split(",") if options.only else known
    unknown = set(chosen) - set(known)
    if unknown:
        raise SystemExit(f"bench: unknown workload {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    workloads = [w for w in chosen if w != "tiny"]  # that one is for starts
    rounds = 1 if options.quick else options.rounds
    show.header(libraries, rounds)
    medians = measure.measure(workloads, libraries, rounds)
    starts = measure.starts({n: libraries[n] for n in ("glibc", "freehold")}) if "tiny" in chosen else None
    if workloads:
        show.tables(medians, workloads, names)
    if options.insn:
        counted = [w for w in workloads if w != "pair"]
        counts = {(w, n): measure.instructions(w, libraries[n]) for w in counted for n in names}
        show.instruction_table(counts, counted, names)
    show.goals(medians, workloads, names, starts, measure.pair_instructions() if options.insn else None)
    if options.plot:
        plot.draw(medians, workloads, names, "mimalloc" if "mimalloc" in names else "glibc")
    if options.json:
        rows = {f"{w} {n}": row for (w, n), row in medians.items()}
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


main()
