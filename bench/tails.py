"""How long single calls of malloc and free take under steady mixed load on one thread and on two (bench/tails/tails.c),
for Freehold and every rival: percentiles as medians of interleaved rounds, one process for each."""
import statistics

import measure
import show

THREADS = (1, 2)
POINTS = {"p50": "p50", "p99": "p99", "p99_9": "p99.9", "p99_99": "p99.99", "max": "max", "mean": "mean"}
CALLS = ("malloc", "free")
SLOW = ("calls_slow", "calls_own", "between_slow", "between_own")


def arguments():
    parser = measure.options_of("tails", __doc__, 5, of="number of threads")
    parser.add_argument("--steps", type=int, default=1000000, help="objects that each thread replaces in a run (1000000)")
    return parser.parse_args()


def together(runs):
    """Medians; of the worst call and the slow ones all rounds count: they are rare."""
    found = {}
    for key, rows in runs.items():
        found[key] = measure.medians_of(rows)
        found[key].update({k: sum(row[k] for row in rows) for k in SLOW})
        found[key].update({k: max(row[k] for row in rows) for k in found[key] if k.endswith("_max")})
    return found


def percentile_tables(found, names):
    """A row is a call and a point of its distribution; the ratio is to Freehold's."""
    rows = {f"{call} {text}": f"{call}_{key}" for call in (*CALLS, "empty") for key, text in POINTS.items()}
    base = "freehold"

    def cell(threads, row, name):
        ours, value = found[threads, base][rows[row]], found[threads, name][rows[row]]
        over = value / ours if ours else 0
        ratio = f" ({over:.2f})" if 0 < over < 100 else f" ({over:.0f})"
        return f"{value / 1000:.0f}" + (ratio if ours and not row.startswith("empty") else "")
    for threads in THREADS:
        show.table(f"ns a call on {threads} thread{'s' * (threads > 1)} (over {base})", rows, names,
                   lambda row, name, threads=threads: cell(threads, row, name))


def slow_table(found, names):
    """All rounds and both numbers of threads."""
    rows = {"in calls": "calls_slow", "  own doing": "calls_own", "between": "between_slow", "  of that kind": "between_own"}
    show.table("over 1 ms, counted: calls, and of them the allocator's own doing; the same between calls", rows, names,
               lambda row, name: str(sum(found[t, name][rows[row]] for t in THREADS)))


def goals(found, names):
    print("\ngoals")
    rivals = [n for n in names if n != "freehold"]
    for threads in THREADS:
        for key in [f"{call}_{point}" for call in CALLS for point in ("p99_9", "p99_99")] if rivals else ():
            best, name = min((found[threads, n][key], n) for n in rivals)
            ours = found[threads, "freehold"][key]
            text = f"{key.split('_')[0]} {POINTS[key.split('_', 1)[1]]} on {threads}"
            show.goal(f"{text}: below every rival's ({name} {best / 1000:.0f} ns)", ours, best - 1, f"{ours / 1000:.0f} ns")
    own = sum(found[t, "freehold"]["calls_own"] for t in THREADS)
    every = sum(found[t, "freehold"]["calls_slow"] for t in THREADS)
    show.goal(f"no call over 1 ms that is not the kernel's doing ({every} over 1 ms in all)", own, 0, str(own))


def main():
    options = arguments()
    for source in ("launch.c", "tails/tails.c"):
        measure.compile_program(source, measure.OUT)
    libraries = measure.allocators(options)
    names = list(libraries)
    show.header(libraries, options.rounds)
    jobs = {threads: ("tails", threads, options.steps) for threads in THREADS}
    found = together(measure.rounds_of(jobs, libraries, options.rounds))
    empty = statistics.mean(found[1, name]["empty_mean"] for name in names) / 1000
    print(f"{options.steps} objects of 16 to 32768 bytes replaced by each thread; an empty measurement takes {empty:.0f} ns,\n"
          "which are taken off; max is of all rounds")
    if "freehold" not in names:
        raise SystemExit("bench: freehold was left out: there is nothing to compare")
    percentile_tables(found, names)
    slow_table(found, names)
    goals(found, names)
    measure.write_json(options.json, found)


main()
