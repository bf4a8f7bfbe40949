"""Draws the medians with gnuplot."""
import shutil
import subprocess
import sys

import measure
import show

PLOTS = measure.OUT / "plots"


def gnuplot(name, data, commands):
    """One SVG: `data` lines go into a file that the commands know as DATA."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    file = PLOTS / f"{name}.dat"
    file.write_text("\n".join(data) + "\n")
    script = f'set terminal svg size 900,560 background rgb "white"\nset termoption noenhanced\nset output "{PLOTS / name}.svg"\nDATA = "{file}"\n{commands}'
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    print(PLOTS / f"{name}.svg")


def points(medians, workloads, names, base, prefix):
    """One point an allocator: geometric means of time and of peak memory."""
    def mean(name, key, over):
        return show.geomean(medians[w, name][key] / medians[w, over][key] for w in workloads)
    gnuplot(prefix + "time-and-memory", [f"{n} {mean(n, 'time', base):.3f} {mean(n, 'peak', 'glibc'):.3f}" for n in names], f'''
set xlabel "time over {base}, geometric mean"
set ylabel "peak resident over glibc, geometric mean"
set grid
set offsets 0.2, 0.2, 0.1, 0.1
unset key
plot DATA using 2:3:1 with labels offset 0,1, "" using 2:3 with points pointtype 7
''')


def bars(medians, workloads, names, base, prefix):
    """Time of each workload, a group of bars a workload."""
    rows = [" ".join([w] + [f"{medians[w, n]['time'] / medians[w, base]['time']:.3f}" for n in names]) for w in workloads]
    gnuplot(prefix + "time", [" ".join(["workload"] + names)] + rows, f'''
set style data histograms
set style fill solid 0.8
set logscale y 2
set ylabel "time over {base}"
set xtics rotate by -40
set key top left maxcols 3
set grid y
plot for [i=2:{len(names) + 1}] DATA using i:xtic(1) title columnheader(i)
''')


def draw(medians, workloads, names, base, prefix=""):
    if shutil.which("gnuplot") is None:
        sys.exit("bench: --plot needs gnuplot (Debian package gnuplot-nox)")
    points(medians, workloads, names, base, prefix)
    bars(medians, workloads, names, base, prefix)
