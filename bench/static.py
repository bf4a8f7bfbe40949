"""Workloads of bench/work linked with static libraries: Freehold's under malloc's name and under its own, fh_malloc, and
rivals'; and with none, which is glibc as it is. Wall times as medians of interleaved rounds."""
import re
import subprocess

import measure
import show

FREEHOLD = str(measure.ROOT / "build" / "release" / "libfreehold.a")
OWN = "freehold fh_"  # the same library
OUT = measure.OUT / "static"
CALLS = ("malloc", "calloc", "realloc", "free")
OWN_FLAGS = [f"-I{measure.ROOT / 'include'}", "-include", "freehold/freehold.h", *(f"-D{call}=fh_{call}" for call in CALLS)]


def compile_all(workloads, folder, flags):
    """To object files: under malloc's name every library is linked to the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for workload in workloads:
        source = measure.workloads()[workload]
        subprocess.run([*measure.CC, *flags, "-c", source, "-o", folder / f"{workload}.o"], check=True)
    return folder


def link(objects, archive, out):
    """What is wrong; empty: nothing. A library written in C++ wants the C++ driver."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for driver in ("cc", "c++"):
        command = [driver, objects, *filter(None, [archive]), "-pthread", "-lm", "-o", out]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return ""
    return f"it cannot be linked: {done.stderr.strip()[-300:]}"


def defines(program, function):
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    return re.search(rf" [TW] {function}$", symbols, re.M) is not None


def link_all(workloads, objects, name, archive):
    """The folder of the programs; None: it is left out, since a program that took libc's malloc would run as well."""
    function = "fh_malloc" if name == OWN else "malloc"
    for workload in workloads:
        program = OUT / name / workload
        wrong = link(objects / f"{workload}.o", archive, program)
        if not wrong and archive and not defines(program, function):
            wrong = f"{workload} has no {function} of its own"
        if wrong:
            measure.leave_out(name, wrong)
            return None
    return OUT / name


def build(workloads, archives):
    """Name to folder of programs."""
    measure.compile_program("launch.c", measure.OUT)
    plain = compile_all(workloads, OUT / "objects", [])
    own = compile_all(workloads, OUT / "objects" / "fh", OWN_FLAGS)
    folders = {name: link_all(workloads, own if name == OWN else plain, name, archives[name]) for name in archives}
    return {name: folder for name, folder in folders.items() if folder}


def goals(medians, workloads, names, base):
    means = show.means(medians, workloads, names, "time", base)
    rivals = [(mean, name) for name, mean in means.items() if name not in ("freehold", OWN)]
    best, name = min(rivals)
    print("\ngoals")
    for ours in ("freehold", OWN):
        show.goal(f"static: {ours} as fast as the fastest rival's static build ({name} {best:.3f})", means[ours], best,
                  f"{means[ours]:.3f}")


def arguments():
    parser = measure.options_of("static", __doc__, 3, what="static libraries as name=path.a", peers=False)
    parser.add_argument("--only", help="workloads, separated by commas; without it all of bench/work")
    return parser.parse_args()


def main():
    options = arguments()
    workloads = [w for w in measure.chosen(options.only, measure.workloads(), "workload") if w != "tiny"]
    archives = measure.with_rivals({"glibc": "", "freehold": FREEHOLD, OWN: FREEHOLD}, options)
    programs = build(workloads, archives)
    names = list(programs)
    if not {"freehold", OWN} <= set(names):
        raise SystemExit("bench: freehold was left out: there is nothing to compare")
    base = show.base_of(names)
    show.header({name: archives[name] for name in names}, options.rounds)
    runs = measure.rounds_of({w: w for w in workloads}, programs, options.rounds,
                             lambda workload, folder: measure.run((folder / workload,), ""))
    medians = measure.medians(runs)
    show.ratio_table("time in ms", medians, workloads, names, "time", 1e3, base)
    goals(medians, workloads, names, base)
    measure.write_json(options.json, medians)


main()
