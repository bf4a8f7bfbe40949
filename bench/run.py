"""Runs every workload under every allocator in turn, round after round, and prints medians and ratios: wall time, peak
and settled resident memory, instructions. Peers are what Debian packages, as far as it is installed, and name=path."""
import measure
import plot
import show


def arguments():
    parser = measure.options_of("", __doc__, 5)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", help="workloads, separated by commas; without it all of bench/work")
    parser.add_argument("--insn", action="store_true",
                        help="count instructions with callgrind too: of short runs, and of a malloc and free pair")
    parser.add_argument("--plot", action="store_true", help="draw into build/bench/plots")
    return parser.parse_args()


def main():
    options = arguments()
    measure.build()
    libraries = measure.allocators(options)
    names = list(libraries)
    chosen = measure.chosen(options.only, measure.workloads(), "workload")
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
    measure.write_json(options.json, medians)


main()
