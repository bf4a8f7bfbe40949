"""Calls of malloc and free a second on 1, 2, 4 and more threads (bench/tails/scale.c), of a load whose threads hand each
other objects and of one whose threads keep to themselves; how often they wait in a call; and what a thread more costs in
resident memory."""
import measure
import show

LOADS = ("mixed", "local")


def arguments():
    parser = measure.options_of("scale", __doc__, 3, of="load")
    parser.add_argument("--threads", default="1,2,4,8,16", help="numbers of threads, separated by commas (1,2,4,8,16)")
    parser.add_argument("--ms", type=int, default=300, help="milliseconds that a run is counted for (300)")
    return parser.parse_args()


def rate_tables(medians, threads, names, base):
    """Of the same number of threads over an allocator, and of the same allocator over its fewest threads."""
    for load in LOADS:
        rows = {f"{load} {n}": n for n in threads}
        show.ratio_table("million calls a second", medians, rows, names, "calls", 1e-6, base)
        first = f"{load} {threads[0]}"
        show.table(f"the same over the allocator's own with {threads[0]}", rows, names,
                   lambda row, name, first=first: f"{medians[row, name]['calls'] / medians[first, name]['calls']:.2f}")


def wait_table(medians, threads, names):
    """A thread that waits for a lock gives up the processor. One that spins for it does not, and is not counted."""
    show.table("voluntary context switches a million calls", [f"{load} {n}" for load in LOADS for n in threads], names,
               lambda row, name: f"{medians[row, name]['waits'] / 1000:.2f}")


def memory_table(medians, threads, names):
    """From the fewest threads to the number in the row, without what the program itself keeps."""
    def more(row, name, key):
        load, count = row.split()
        first = f"{load} {threads[0]}"
        return (medians[row, name][key] - medians[first, name][key]) / (int(count) - threads[0])

    def cell(row, name):
        kept = more(row, name, "settled") - more(row, name, "own")
        return f"{kept / show.MIB:.2f} ({kept / more(row, name, 'live'):.2f})"
    show.table("MiB resident for each additional thread (over its live bytes)",
               [f"{load} {n}" for load in LOADS for n in threads[1:]], names, cell)


def main():
    options = arguments()
    threads = sorted({int(n) for n in options.threads.split(",")})
    for source in ("launch.c", "tails/scale.c"):
        measure.compile_program(source, measure.OUT)
    libraries = measure.allocators(options)
    names = list(libraries)
    show.header(libraries, options.rounds)
    jobs = {f"{load} {n}": ("scale", n, load, options.ms) for load in LOADS for n in threads}
    medians = measure.medians(measure.rounds_of(jobs, libraries, options.rounds))
    rate_tables(medians, threads, names, "freehold" if "freehold" in names else names[0])
    wait_table(medians, threads, names)
    if len(threads) > 1:
        memory_table(medians, threads, names)
    measure.write_json(options.json, medians)


main()
